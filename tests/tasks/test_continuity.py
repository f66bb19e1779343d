import importlib.util
import math
import sys
import types

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import cdist

from septum.contract import BadInput, Clip
from septum.tasks import continuity, drawing_films

CLIP = Clip(frames=4, stride=2)
N = 24
EF = torch.tensor(np.random.default_rng(0).uniform(15, 75, N))


@pytest.fixture
def without_umap(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: {"umap": None}[name])


@pytest.fixture
def with_fake_umap(monkeypatch):
    """Its plane is the first two numbers of an embedding; it remembers how it was asked."""
    asked = []

    class UMAP:
        def __init__(self, **how):
            asked.append(how)

        def fit_transform(self, x):
            return x[:, :2].astype(np.float32)

    module = types.SimpleNamespace(UMAP=UMAP, __spec__=object())
    monkeypatch.setitem(sys.modules, "umap", module)
    return asked


@pytest.fixture
def films(toys):
    """Two views of every subject, all of whose EFs differ."""

    def build(ef=None, *, each=2):
        ef = EF.tolist() if ef is None else ef
        records = [
            toys.record(f"f{i}", f"s{i // each}", **({} if v is None else {"ef_percent": v}))
            for i, v in enumerate(ef)
        ]
        return toys.films([40] * len(ef), clip=CLIP, records=records)

    return build


def ordered(place, start):
    """The EF, bent, in a direction of space; and a little of something else."""
    other = (place * 37 % 11).double()
    return torch.stack([EF[place] ** 1.5, -0.5 * EF[place], other + 0 * start], 1)


def blind(place, start):  # noqa: ARG001
    return torch.stack([(place * 7919 % 101).double(), (place * 104729 % 89).double()], 1)


def ask(toys, films, pooled):
    return continuity.run(toys.estimates(None, pooled), films, films, 0)


@pytest.mark.usefixtures("without_umap")
def test_numbers_by_hand(toys, films):
    metrics = ask(toys, films(), ordered).metrics

    x, ef = ordered(torch.arange(N), torch.zeros(N)).numpy(), EF.numpy()
    far, who = cdist(x, x), np.arange(N) // 2
    i, j = np.nonzero((who[:, None] != who) & (np.arange(N)[:, None] < np.arange(N)))
    both = far[i, j], np.abs(ef[i] - ef[j])
    error, ignorance = [], []
    for case in range(N):
        others = [k for k in range(N) if who[k] != who[case]]
        nearest = sorted(others, key=lambda k: far[case, k])[:5]
        error.append(abs(ef[nearest].mean() - ef[case]))
        ignorance.append(abs(ef[others].mean() - ef[case]))
    assert {path: metric.value for path, metric in metrics.items()} == {
        "spearman": pytest.approx(stats.spearmanr(*both).statistic),
        "kendall": pytest.approx(stats.kendalltau(*both).statistic),
        "spearman/first_axis": pytest.approx(1),
        "mae/neighbours": pytest.approx(np.mean(error)),
        "mae/others": pytest.approx(np.mean(ignorance)),
    }
    assert metrics["spearman"].n == N * (N - 1) // 2 - N // 2
    assert metrics["mae/neighbours"].n == N
    assert metrics["mae/neighbours"].unit == "percent"


@pytest.mark.usefixtures("without_umap")
def test_order_is_told_from_none(toys, films):
    kept, lost = (ask(toys, films(), pooled).metrics for pooled in (ordered, blind))

    assert kept["spearman"].low > 0.9
    assert lost["spearman"].low < 0.1
    assert kept["mae/neighbours"].high < kept["mae/others"].low
    assert lost["mae/neighbours"].high > lost["mae/others"].low


@pytest.mark.usefixtures("without_umap")
def test_only_films_with_a_known_ef_are_asked_about(toys, films):
    ef = [None, math.nan, *EF.tolist()[2:]]

    report = ask(toys, films(ef), ordered)

    assert [row["id"] for row in report.rows] == [f"f{i}" for i in range(2, N)]
    assert [row["ef_percent"] for row in report.rows] == ef[2:]


@pytest.mark.usefixtures("without_umap")
def test_of_too_many_films_some_are_drawn_by_seed(toys, films, monkeypatch):
    monkeypatch.setattr(continuity, "FILMS", 9)
    model = toys.estimates(None, ordered)
    ids = [
        [row["id"] for row in continuity.run(model, films(), films(), seed).rows]
        for seed in (0, 0, 1)
    ]

    assert len(ids[0]) == 9
    assert ids[0] == ids[1] != ids[2]


def test_umap_is_seeded_and_on_one_thread(toys, films, with_fake_umap):
    report = ask(toys, films(), ordered)

    assert with_fake_umap == [{"n_neighbors": 15, "random_state": 0, "n_jobs": 1}]
    assert report.rows[3]["umap_1"] == pytest.approx(float(EF[3] ** 1.5))
    assert [axes.get_title() for axes in report.figures["embedding"].axes] == ["PCA", "UMAP", ""]


@pytest.mark.usefixtures("without_umap")
def test_without_umap_the_figure_says_so(toys, films):
    report = ask(toys, films(), ordered)

    figure = report.figures["embedding"]
    assert figure.get_supxlabel() == "no UMAP: pip install umap-learn"
    assert [axes.get_title() for axes in figure.axes] == ["PCA", ""]
    assert "umap_1" not in report.rows[0]


@pytest.mark.usefixtures("with_fake_umap")
def test_few_films_have_no_umap(toys, films):
    figure = ask(toys, films(EF.tolist()[:4]), ordered).figures["embedding"]

    assert figure.get_supxlabel() == "no UMAP of fewer than 5 films"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason="skipped: no umap-learn")
def test_umap_keeps_far_groups_apart_and_repeats_itself():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (20, 8)), rng.normal(50, 1, (20, 8))])

    plane = continuity.umap(x, 0)

    far = cdist(plane, plane)
    assert far[:20, :20].max() < far[:20, 20:].min()
    assert np.array_equal(plane, continuity.umap(x, 0))


def test_axes_are_principal_and_point_to_higher_ef():
    rng = np.random.default_rng(1)
    t = rng.normal(size=50)
    x = np.outer(-5 * t, [0.6, 0.8, 0]) + np.outer(rng.normal(size=50), [0, 0, 1])

    plane = continuity.principal(x, t)

    assert np.corrcoef(plane[:, 0], t)[0, 1] > 0.99
    assert np.corrcoef(plane[:, 1], t)[0, 1] >= 0
    theirs = np.linalg.eigvalsh(np.cov(x.T))[::-1]
    assert plane.var(0, ddof=1) == pytest.approx(theirs[:2])
    assert np.array_equal(continuity.principal(x[:, :1], t)[:, 1], np.zeros(50))


def test_colours_of_the_plane_are_the_values():
    points, values = np.arange(8.0).reshape(4, 2), np.array([10.0, 80.0, 45.0, 10.0])

    axes, bar = drawing_films.planes({"PCA": points}, values, name="EF (%)").axes

    dots = axes.collections[0]
    assert np.array_equal(dots.get_offsets(), points)
    assert np.array_equal(dots.get_facecolors()[0], dots.get_facecolors()[3])
    assert not np.array_equal(dots.get_facecolors()[0], dots.get_facecolors()[1])
    assert bar.get_ylabel() == "EF (%)"


@pytest.mark.parametrize(
    ("ef", "each", "words"),
    [
        ([None] * 4, 1, r"films \(val\) has no two subjects with a known ef_percent; choose"),
        ([40.0, 50.0, 60.0], 3, "no two subjects"),
        ([40.0, 40.0, 40.0], 1, "equally far apart in ef_percent"),
        ([40.0, 50.0], 1, "equally far apart"),
    ],
)
def test_films_without_an_order_are_refused(toys, films, ef, each, words):
    with pytest.raises(BadInput, match=words):
        ask(toys, films(ef, each=each), ordered)


def test_one_embedding_for_all_is_refused(toys, films):
    with pytest.raises(BadInput, match="or in the embeddings of the model"):
        ask(toys, films(), lambda place, start: torch.ones(len(place), 3))  # noqa: ARG005


def test_stills_are_refused(toys):
    stills = toys.stills(image=torch.zeros(1, 1, 2, 2), mask=None, records=[], classes=())

    with pytest.raises(BadInput, match="still images"):
        ask(toys, stills, ordered)
