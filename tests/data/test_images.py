import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from tacit.data.images import Target, decode, quiet, read_header
from tacit.errors import DataError


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return file


def noise(height=12, width=16, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def flag(height=40, width=60):
    """Red above green left, blue right: every turn and flip of it differs."""
    flag = np.zeros((height, width, 3), np.uint8)
    flag[: height // 2, :, 0] = 255
    flag[height // 2 :, : width // 2, 1] = 255
    flag[height // 2 :, width // 2 :, 2] = 255
    return flag


def png_that_claims(width, height):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_pixels_of_a_lossless_file_are_exact(kind):
    pixels = noise()
    assert np.array_equal(decode(saved(Image.fromarray(pixels), kind), Target(12, 16, 3)), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_turned_photograph_is_read_upright(kind, orientation):
    upright = Image.fromarray(flag())
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation -> the Transpose that makes the stored image
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(stored, kind, exif=exif)
    header = read_header(file)
    assert (header.height, header.width) == (40, 60)
    file.seek(0)
    got = decode(file, Target(40, 60, 3)).transpose(1, 2, 0)
    inside = np.s_[4:16, 4:56], np.s_[24:36, 4:26], np.s_[24:36, 34:56]
    for part in inside:
        assert np.abs(got[part].astype(int) - flag()[part]).max() < 40


def test_alpha_lies_over_white_and_palette_bits_and_ink_become_colours():
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:, 2:] = (200, 10, 30, 255)
    got = decode(saved(Image.fromarray(clear, "RGBA")), Target(4, 4, 3))
    assert (got[:, :, :2] == 255).all() and (got[:, 0, 3] == (200, 10, 30)).all()
    palette = Image.fromarray(flag()).quantize(8)
    got = decode(saved(palette), Target(40, 60, 3)).transpose(1, 2, 0)
    assert np.array_equal(got, np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("1")
    assert np.array_equal(decode(saved(bits), Target(8, 8, 1))[0], np.eye(8) * 255)
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(decode(saved(red, "JPEG"), Target(8, 8, 3)).astype(int)[:, 4, 4] - (255, 0, 0)).max() < 12


def test_a_palette_with_a_clear_colour_lies_over_white():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    got = decode(saved(image, transparency=1), Target(4, 4, 3))
    assert (got == 255).all()


def test_sixteen_bits_are_kept_or_scaled():
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    for kind in ("PNG", "TIFF", "PPM"):
        file = saved(Image.fromarray(values), kind)
        header = read_header(file)
        assert header.deep and header.grey
        fine = decode(file, Target(8, 8, 1, deep=True))
        assert fine.dtype == np.float32 and np.allclose(fine[0] * 65535, values, atol=0.01)
        coarse = decode(file, Target(8, 8, 3))
        assert coarse.dtype == np.uint8 and np.abs(coarse[1] - values / 257).max() <= 0.5


def test_the_first_frame_of_an_animation_is_read():
    frames = [Image.fromarray(np.full((6, 6), v, np.uint8)) for v in (50, 250)]
    file = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_header(file).frames
    assert (decode(file, Target(6, 6, 1)) == 50).all()


def test_fit_crops_the_middle_pads_with_black_or_stretches():
    wide = np.zeros((20, 60), np.uint8)
    wide[:, 20:40] = 200
    file = saved(Image.fromarray(wide))
    assert (decode(file, Target(20, 20, 1, "crop")) == 200).all()
    padded = decode(file, Target(30, 30, 1, "pad"))[0]
    assert not padded[:9].any() and not padded[-9:].any() and padded[15, 15] == 200 and not padded[15, 2]
    stretched = decode(file, Target(30, 30, 1, "stretch"))[0]
    assert (stretched[:, 13:17] == 200).all() and not stretched[:, :7].any()


def test_shrinking_does_not_alias():
    stripes = np.zeros((512, 512), np.uint8)
    stripes[:, ::2] = 255
    got = decode(saved(Image.fromarray(stripes)), Target(32, 32, 1))
    assert np.abs(got.astype(int) - 127).max() <= 3  # every second column alone would give 0 or 255


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(monkeypatch):
    drafted = []
    draft = JpegImageFile.draft
    monkeypatch.setattr(JpegImageFile, "draft", lambda self, mode, size: drafted.append(draft(self, mode, size)))
    y, x = np.mgrid[:800, :1000]
    smooth = np.stack([x / 4, y / 4, (x + y) / 8], -1).astype(np.uint8)
    got = decode(saved(Image.fromarray(smooth), "JPEG", quality=95), Target(32, 32, 3))
    plain = np.asarray(Image.fromarray(smooth[:, 100:900]).resize((32, 32), Image.Resampling.LANCZOS))
    assert drafted[0][1][2:] == (125, 100)  # an eighth
    assert np.abs(got.transpose(1, 2, 0).astype(int) - plain).max() <= 6


def test_the_date_is_read():
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2021:05:06 07:08:09"
    assert read_header(saved(Image.fromarray(noise()), "JPEG", exif=exif)).date == "2021:05:06 07:08:09"
    assert read_header(saved(Image.fromarray(noise()), "JPEG")).date == ""


@pytest.mark.parametrize(("file", "reason"), [
    (io.BytesIO(b"hello, I am text"), "not an image: it begins with b'hello"),
    (io.BytesIO(b""), "empty"),
    (png_that_claims(10_000, 10_000), "10,000 x 10,000 pixels"),
    (png_that_claims(60_000, 60_000), "bomb"),
])
def test_what_is_no_image_is_refused_with_the_reason(file, reason):
    with quiet(), pytest.raises(DataError, match=reason):
        read_header(file)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_image_is_refused(kind):
    content = saved(Image.fromarray(noise(120, 160)), kind).getvalue()
    with quiet(), pytest.raises(DataError):
        decode(io.BytesIO(content[: len(content) // 2]), Target(32, 32, 3))


def test_values_without_a_known_range_are_refused():
    file = saved(Image.fromarray(np.full((8, 8), 3.5, np.float32)), "TIFF")
    with pytest.raises(DataError, match=r"3\.5"):
        decode(file, Target(8, 8, 1, deep=True))


@pytest.mark.parametrize(("mode", "kind", "words"), [
    ("1", "PNG", "black and white"), ("L", "PNG", "grey"), ("LA", "PNG", "grey with alpha"), ("RGB", "JPEG", "rgb"),
    ("RGBA", "PNG", "rgb with alpha"), ("P", "PNG", "palette"), ("CMYK", "JPEG", "cmyk"), ("F", "TIFF", "float grey"),
])
def test_the_header_says_how_pixels_lie_in_the_file(mode, kind, words):
    assert read_header(saved(Image.new(mode, (8, 8)), kind)).mode == words


def test_sixteen_bits_and_a_clear_colour_are_modes_of_their_own():
    deep = Image.fromarray(np.zeros((8, 8), np.uint16))
    assert {read_header(saved(deep, kind)).mode for kind in ("PNG", "TIFF", "PPM")} == {"16-bit grey"}
    assert read_header(saved(Image.new("P", (8, 8)), "PNG", transparency=1)).mode == "palette with alpha"


def with_zeros(content, at=0.6, count=64):
    start = int(at * len(content))
    return content[:start] + bytes(count) + content[start + count :]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_stretch_of_zeros_is_damage(kind, channels):
    content = saved(Image.fromarray(noise(64, 64, channels)), kind).getvalue()
    decode(io.BytesIO(content), Target(64, 64, channels))
    with quiet(), pytest.raises(DataError, match="zeros|data stream"):
        decode(io.BytesIO(with_zeros(content)), Target(64, 64, channels))


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize("quality", [20, 75, 100])
def test_flat_pictures_and_what_follows_them_are_no_damage(quality, optimize):
    half = np.full((400, 400, 3), 255, np.uint8)
    half[:90, :90] = noise(90, 90)
    for pixels in (half, np.full((300, 300), 7, np.uint8)):
        content = saved(Image.fromarray(pixels), "JPEG", quality=quality, optimize=optimize).getvalue()
        channels = 3 if pixels.ndim == 3 else 1
        decode(io.BytesIO(content + bytes(500)), Target(32, 32, channels))


def test_zeros_in_the_head_of_a_jpeg_are_no_damage():
    exif = Image.Exif()
    exif[0x010E] = "\0" * 400
    decode(saved(Image.fromarray(noise(64, 64)), "JPEG", exif=exif), Target(32, 32, 3))
