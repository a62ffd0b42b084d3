"""Zones: settings and the cells that belong to them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from robot_node.settings.vision import MotionSettings
from robot_node.vision.zones import polygon_mask, zone_masks


def _settings(**zones: Any) -> MotionSettings:
    return MotionSettings.model_validate({"zones": zones})


def test_without_zones_the_whole_picture_is_one() -> None:
    settings = MotionSettings()
    assert settings.included == ("picture",)
    assert zone_masks(settings.zones, 4, 6)["picture"].all()


def test_a_rectangle_has_the_cells_whose_centre_is_in_it() -> None:
    settings = _settings(door={"rectangle": (0.0, 0.5, 0.5, 1.0)})
    masks = zone_masks(settings.zones, 4, 6)
    assert list(masks) == ["door"]
    assert masks["door"].astype(int).tolist() == [[0] * 6, [0] * 6, [1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]]


def test_a_polygon_may_be_concave() -> None:
    l_shape = [(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)]
    assert polygon_mask(l_shape, 2, 2).tolist() == [[True, False], [True, True]]
    triangle = polygon_mask([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)], 100, 100)
    assert triangle.mean() == pytest.approx(0.5, abs=0.02)
    assert triangle[0, 0]
    assert not triangle[-1, -1]


def test_an_excluded_zone_is_cut_out_of_all_others() -> None:
    tree = {"rectangle": (0.0, 0.0, 1.0, 0.5), "exclude": True}
    settings = _settings(tree=tree)
    assert settings.included == ("picture",)
    assert zone_masks(settings.zones, 4, 4)["picture"].tolist() == [[False] * 4] * 2 + [[True] * 4] * 2
    settings = _settings(tree=tree, left={"rectangle": (0.0, 0.0, 0.5, 1.0)})
    assert settings.included == ("left",)
    assert np.count_nonzero(zone_masks(settings.zones, 4, 4)["left"]) == 4


@pytest.mark.parametrize(
    ("zone", "reason"),
    [
        ({}, "either a rectangle"),
        ({"rectangle": (0, 0, 1, 1), "polygon": [(0, 0), (1, 0), (1, 1)]}, "either a rectangle"),
        ({"rectangle": (0.5, 0, 0.5, 1)}, "left < right"),
        ({"polygon": [(0, 0), (1, 1)]}, "at least 3 points"),
        ({"rectangle": (0, 0, 2, 1)}, "less than or equal to 1"),
    ],
)
def test_a_zone_that_cannot_be_is_refused_with_its_reason(zone: Any, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        _settings(door=zone)


def test_a_zone_has_a_name_that_fits_everywhere() -> None:
    with pytest.raises(ValidationError, match="cannot be a zone's name"):
        MotionSettings.model_validate({"zones": {"the door": {"rectangle": (0, 0, 1, 1)}}})
