"""How far what is said of films lies from what is true: in words, and as a plot."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from septum.contract import Metric
from septum.explore.ejection import Reference
from septum.palette import LINES


def words(found: Mapping[str, Metric]) -> str:
    """Bias and limits of agreement in words."""
    bias, low, high = (found[name] for name in ("bias", "limit_low", "limit_high"))
    return (
        f"Said minus true, in points of EF: bias {_with_interval(bias)}; limits of agreement "
        f"{_with_interval(low)} and {_with_interval(high)}; n = {bias.n} films, one per subject."
    )


def _with_interval(metric: Metric) -> str:
    return f"{metric.value:+.1f} ({metric.low:+.1f} to {metric.high:+.1f})"


def plot(known: Reference, found: Mapping[str, Metric]) -> dict[str, Any]:
    """A Bland-Altman plot: a point per film, lines at the bias and the limits of agreement."""
    mean, off = (known.estimate + known.truth) / 2, known.estimate - known.truth
    lines = [
        {"yAxis": metric.value, "name": name.replace("_", " "),
         "lineStyle": {"type": "solid" if name == "bias" else "dashed"},
         "label": {"formatter": f"{name.replace('_', ' ')} {metric.value:+.1f}", "color": "#888",
                   "position": "insideEndTop"}}
        for name, metric in found.items()
    ]  # fmt: skip
    axis: dict[str, Any] = {
        "type": "value", "nameLocation": "middle", "nameGap": 28, "scale": True,
        "axisLabel": {"color": "#888"}, "nameTextStyle": {"color": "#888"},
        "splitLine": {"show": False}, "axisLine": {"onZero": False},
    }  # fmt: skip
    far = 5 * math.ceil(max(np.abs(off).max(), *(abs(m.value) for m in found.values())) / 5)
    points = [
        {"value": [round(float(x), 2), round(float(y), 2)], "name": record.id}
        for x, y, record in zip(mean, off, known.records, strict=True)
    ]
    return {
        "animation": False,
        "grid": {"left": 50, "right": 20, "top": 30, "bottom": 45},
        "xAxis": {**axis, "name": "mean of said and true EF, %"},
        "yAxis": {**axis, "name": "said minus true", "min": -far, "max": far},
        "tooltip": {"trigger": "item", "renderMode": "richText", "formatter": "{b}"},
        "toolbox": {"feature": {"saveAsImage": {"title": "Save", "backgroundColor": "#fff"}}},
        "series": [{
            "type": "scatter", "data": points, "symbolSize": 9,
            "itemStyle": {"color": LINES[0], "borderColor": "#444"},
            "markLine": {"symbol": "none", "data": lines, "silent": True,
                         "lineStyle": {"color": LINES[3]}},
        }],
    }  # fmt: skip
