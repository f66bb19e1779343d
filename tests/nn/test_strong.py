import torch

from septum.nn import strong


def view(count=64, size=(40, 60)):
    torch.manual_seed(0)
    return strong.sample(count, size, torch.device("cpu"))


def test_boxes_are_rectangles_of_the_stated_size():
    box = view().box[:, 0]
    rows, columns = box.any(2).sum(1), box.any(1).sum(1)
    assert torch.equal(box.sum((1, 2)), rows * columns)
    for sides, pixels in ((rows, 40), (columns, 60)):
        assert sides.min() >= strong.BOX[0] * pixels - 1
        assert sides.max() <= strong.BOX[1] * pixels + 1


def test_a_box_shows_the_next_image():
    drawn = view(count=3)
    numbers = torch.arange(3.0)[:, None, None, None].expand(3, 1, 40, 60)
    mixed = strong.mixed(numbers, drawn)
    assert mixed[drawn.box].reshape(-1).unique().tolist() == [0, 1, 2]
    for i in range(3):
        assert (mixed[i][drawn.box[i]] == (i + 1) % 3).all()
        assert (mixed[i][~drawn.box[i]] == i).all()


def test_shading_moves_no_shape():
    image = torch.zeros(16, 1, 40, 60)
    image[..., 10:30, 20:40] = 0.6
    shaded = strong.shaded(image, view(count=16))
    assert 0 <= shaded.min() <= shaded.max() <= 1
    inside, outside = shaded[..., 18:22, 28:32].mean((1, 2, 3)), shaded[..., :5, :5].mean((1, 2, 3))
    assert (inside > outside).all()
    assert inside.std() > 0.05
