"""Draws the console's icons as PNG from its icon.svg, in Chromium: ``python -m scripts.icons``."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PUBLIC = Path(__file__).parents[1] / "robot_node" / "console" / "public"
ICONS = {"icon-192.png": 192, "icon-512.png": 512, "icon-maskable-512.png": 512}
"""Files and their sides in pixels. A test fails while one differs from icon.svg."""

DRAW = """async ([svg, side]) => {
  const image = new Image(side, side);
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  canvas.getContext("2d").drawImage(image, 0, 0, side, side);
  return canvas.toDataURL("image/png");
}"""
"""JavaScript that returns the data URL of a picture with a side of so many pixels."""


def svg_of(name: str) -> str:
    """Return what an icon is drawn from: a maskable one fills the square, as systems cut it into their own shape."""
    svg = (PUBLIC / "icon.svg").read_text()
    return svg.replace(' rx="8"', "") if "maskable" in name else svg


def main() -> None:
    """Write the files."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        for name, side in ICONS.items():
            url: str = page.evaluate(DRAW, [svg_of(name), side])
            with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
                picture.quantize(64).save(PUBLIC / name, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
