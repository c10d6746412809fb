"""One image: what its header says, and its pixels, upright, at the size and in the channels that are wanted."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tacit.errors import DataError

__all__ = ["FORMATS", "Header", "IMAGE_SUFFIXES", "Target", "decode", "quiet", "read_header"]

Array = np.ndarray[Any, Any]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM")  # no decoder beyond these ever runs
GREY = ("1", "L", "LA", "La", "I", "F")
MODES = {
    "1": "black and white", "L": "grey", "LA": "grey with alpha", "La": "grey with alpha", "I": "32-bit grey",
    "F": "float grey", "P": "palette", "PA": "palette with alpha", "RGB": "rgb", "RGBA": "rgb with alpha",
    "RGBa": "rgb with alpha", "RGBX": "rgb", "CMYK": "cmyk", "YCbCr": "ycbcr", "LAB": "lab",
}  # Pillow's name -> ours
END_OF_BLOCK = 0x00
ZEROS = bytes(32)  # more in a row than any coefficients make
DRAFT = 2  # a JPEG is decoded at no less than this many times the wanted size: the filter does the rest
FLIPS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # Exif orientation -> what turns it upright


class Header(NamedTuple):
    """What an image says of itself before it is decoded.

    Arguments:
        width: Pixels from left to right, when upright.
        height: Pixels from top to bottom, when upright.
        grey: Whether it has one channel, beside a possible alpha.
        deep: Whether its values are finer than 8 bits.
        frames: Whether there is more than one frame, of which the first is read.
        date: When it was taken as ``YYYY:MM:DD hh:mm:ss``, or "".
        mode: How its pixels lie in the file, in words: grey, 16-bit grey, rgb with alpha, palette, cmyk.
    """

    width: int
    height: int
    grey: bool
    deep: bool
    frames: bool
    date: str
    mode: str


@dataclass(frozen=True)
class Target:
    """What every image of a source is brought to.

    Arguments:
        height: In pixels.
        width: In pixels.
        channels: 1 for grey, 3 for red, green, blue.
        fit: How an image of another shape is brought there: its longer side cut at both ends, its shorter side padded
            with black, or both stretched.
        deep: Whether values are float32 in [0, 1] instead of bytes.
        half: Which half of an image is read as an image of its own, where two lie side by side.
    """

    height: int
    width: int
    channels: int
    fit: Literal["crop", "pad", "stretch"] = "crop"
    deep: bool = False
    half: Literal["left", "right"] | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.height, self.width


@contextmanager
def quiet() -> Iterator[None]:
    """Silences Pillow's warnings, of which what matters becomes an error here; around threads, not inside them."""
    Image.init()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def read_header(file: BinaryIO) -> Header:
    """Reads what an image says of itself.

    Raises:
        DataError: With the reason, if it is no image or claims too many pixels.
    """
    with _reasoned(file):
        image = _open(file)
        width, height = image.size
        if _orientation(image) >= 5 and image.format != "TIFF":  # Pillow turns TIFF itself
            width, height = height, width
        deep = image.mode in ("I", "F") or image.mode.startswith("I;16") or ";16" in _raw_mode(image)
        grey = image.mode in GREY or image.mode.startswith("I;16")
        many = image.format in ("GIF", "WEBP", "PNG", "TIFF") and bool(getattr(image, "is_animated", False))
        return Header(width, height, grey, deep, many, _date(image), _mode(image))


def decode(file: BinaryIO, target: Target) -> Array:
    """Returns an image's pixels, (C, H, W), upright, uint8 or float32 in [0, 1] as the target says.

    Raises:
        DataError: With the reason, if it cannot be decoded.
    """
    with _reasoned(file):
        image = _open(file)
        turn = _orientation(image)
        wanted = (target.width, target.height) if turn < 5 else (target.height, target.width)
        if target.half is None:  # a smaller draft may have an odd width, and its middle elsewhere
            image.draft(None, (DRAFT * wanted[0], DRAFT * wanted[1]))
        image.load()
        if image.format == "JPEG" and "progressive" not in image.info and _overwritten(_content(file)):
            raise DataError("damaged (a stretch of it is zeros)")
        turn = _orientation(image)  # a TIFF is upright now
        plain = _flat(image, target)
        plain = plain.transpose(FLIPS[turn]) if turn in FLIPS else plain
        plain = _half(plain, target.half) if target.half else plain
        pixels = np.asarray(_fitted(plain, target))
        if target.deep:
            pixels = pixels.clip(0, 1)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # (H, W[, C]) -> (C, H, W)


def _open(file: BinaryIO) -> Image.Image:
    image = Image.open(file, formats=FORMATS)
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise DataError(f"{image.width:,} x {image.height:,} pixels, more than {limit / 1e6:.0f} million: "
                        "a decompression bomb, or too large")
    return image


def _raw_mode(image: Image.Image) -> str:
    """Returns how the pixels lie in the file: ``RGB;16B`` is read as 8 bits by Pillow."""
    tiles = getattr(image, "tile", None)
    return str(tiles[0][3]) if tiles else ""


def _mode(image: Image.Image) -> str:
    """Returns how the pixels lie in the file, in words."""
    if image.mode.startswith("I;16") or image.mode == "I" and ";16" in _raw_mode(image):
        return "16-bit grey"
    name = MODES.get(image.mode, image.mode)
    if ";16" in _raw_mode(image):
        return f"16-bit {name}"
    return f"{name} with alpha" if "transparency" in image.info and "alpha" not in name else name


def _orientation(image: Image.Image) -> int:
    """Returns the Exif orientation, 1 to 8; 1 is upright."""
    if image.format != "TIFF" and not {"exif", "xmp", "Raw profile type exif"} & image.info.keys():
        return 1
    turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    return turn if turn in FLIPS else 1


def _date(image: Image.Image) -> str:
    if "exif" not in image.info and image.format != "TIFF":
        return ""
    exif = image.getexif()
    taken = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    return taken.strip("\0 ") if isinstance(taken, str) else ""


# Channels and depth --------------------------------------------------------------------------------------------------


def _flat(image: Image.Image, target: Target) -> Image.Image:
    """Returns the image in mode L, RGB or, where values are fine, F in [0, 1]; alpha over white."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        fine = _fine(image)
        if target.deep:
            return Image.fromarray(fine)
        image = Image.fromarray(np.rint(fine * 255).astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    mode = "L" if target.channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _fine(image: Image.Image) -> Array:
    """Returns grey values of more than 8 bits as float32 in [0, 1], (H, W)."""
    values = np.asarray(image).astype(np.float32)
    greatest = 1.0 if image.mode == "F" else 65535.0
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= greatest):  # NaN, too
        raise DataError(f"values of {image.mode!r} from {low:g} to {high:g}; expected 0 to {greatest:g}")
    return values / np.float32(greatest)


# Size ----------------------------------------------------------------------------------------------------------------


def _half(image: Image.Image, side: str) -> Image.Image:
    """Returns one of two images that lie side by side; of an odd number of columns the middle one is in neither."""
    width = image.width // 2
    left = 0 if side == "left" else image.width - width
    return image.crop((left, 0, left + width, image.height))


def _fitted(image: Image.Image, target: Target) -> Image.Image:
    """Returns the image at the target's size, filtered so that nothing aliases."""
    size = (target.width, target.height)
    if image.size == size:
        return image
    if target.fit == "pad":
        return _padded(image, size)
    box = _middle(image.size, size) if target.fit == "crop" else None
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _middle(size: tuple[int, int], to: tuple[int, int]) -> tuple[float, float, float, float]:
    """Returns the greatest box of the shape of `to` in the middle of an image: left, top, right, bottom.

    Example:
        >>> _middle((60, 40), (32, 32))
        (10.0, 0.0, 50.0, 40.0)
    """
    scale = min(size[0] / to[0], size[1] / to[1])
    left, top = (size[0] - to[0] * scale) / 2, (size[1] - to[1] * scale) / 2
    return left, top, size[0] - left, size[1] - top


def _padded(image: Image.Image, to: tuple[int, int]) -> Image.Image:
    scale = min(to[0] / image.width, to[1] / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image if inner == image.size else image.resize(inner, Image.Resampling.LANCZOS, reducing_gap=3.0)
    canvas = Image.new(image.mode, to)
    canvas.paste(small, ((to[0] - inner[0]) // 2, (to[1] - inner[1]) // 2))
    return canvas


# Reasons -------------------------------------------------------------------------------------------------------------


@contextmanager
def _reasoned(file: BinaryIO) -> Iterator[None]:
    """Turns whatever a decoder raises on damaged bytes into a DataError with the reason."""
    try:
        yield
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError("its header claims far too many pixels: a decompression bomb, or too large") from error
    except UnidentifiedImageError as error:
        raise DataError(_first_bytes(file)) from error
    except MemoryError as error:
        raise DataError("too large for the memory") from error
    except Exception as error:  # decoders meet damaged bytes with errors of every type
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError("truncated" if "truncated" in reason.lower() else f"damaged ({reason})") from error


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _overwritten(jpeg: bytes) -> bool:
    """Returns whether a stretch of a baseline JPEG's pixels is zeros, over which its decoder goes on in silence.

    Zeros are the code of the first symbol of each Huffman table. Only where that is the end of a block in all of them,
    as in flat pictures, may they stand in a row; elsewhere they are coefficient after coefficient of -1.

    Arguments:
        jpeg: All of the file.

    References:
        ITU-T T.81 (1992), annexes B and F.
    """
    place, first = 2, set[int]()
    while place + 4 <= len(jpeg) and jpeg[place + 1] != 0xDA:  # up to the start of the scan
        stop = place + 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        if jpeg[place + 1] == 0xC4:
            first |= _first_symbols(jpeg[place + 4 : stop])
        place = stop if stop > place + 2 else place + 1
    end = jpeg.find(b"\xff\xd9", place)
    return first != {END_OF_BLOCK} and jpeg.find(ZEROS, place, end if end > 0 else len(jpeg)) > 0


def _first_symbols(tables: bytes) -> set[int]:
    """Returns the symbol whose code is zeros in each table for coefficients beyond the mean, of those in a segment."""
    found, place = set[int](), 0
    while place + 17 < len(tables):
        if tables[place] >> 4:
            found.add(tables[place + 17])
        place += 17 + sum(tables[place + 1 : place + 17])
    return found


def _first_bytes(file: BinaryIO) -> str:
    file.seek(0)
    begins = file.read(12)
    return f"not an image: it begins with {begins!r}" if begins else "empty"
