"""The examples that the product was specified by, as written."""

import helix_core as hx
import numpy as np
from helix_layers import Linear, S4Block


def test_linear_forward_and_backward():
    device = hx.Device.cpu()
    x = hx.Tensor.random_uniform((100, 64), -1.0, 1.0, device=device)
    target = hx.Tensor.zeros((100, 32), device)
    linear = Linear(64, 32, device=device)

    y = linear.forward(x)
    loss = hx.losses.mse(y, target)
    loss.backward()

    assert y.shape == (100, 32) and y.device == device
    assert linear.weight.grad.shape == linear.weight.shape
    want = 2 * (y.numpy().T @ x.numpy()) / y.size
    got = linear.weight.grad.numpy()
    np.testing.assert_allclose(
        got if got.shape == want.shape else got.T, want, rtol=1e-4, atol=1e-6
    )


def test_random_uniform_is_in_its_range():
    x = hx.Tensor.random_uniform((100, 64), -1.0, 1.0, device=hx.Device.cpu())
    assert x.shape == (100, 64) and x.dtype is hx.float32
    a = x.numpy()
    assert a.min() >= -1.0 and a.max() < 1.0 and abs(a.mean()) < 0.05


def test_zeros_takes_the_device_second():
    z = hx.Tensor.zeros((2, 3), hx.Device.cpu())
    assert z.tolist() == [[0.0] * 3] * 2


def test_a_state_space_block_and_a_linear_layer():
    device = hx.Device.cpu()
    x = hx.Tensor.random_uniform((4, 50, 16), -1.0, 1.0, device=device)
    target = hx.Tensor.zeros((4, 50, 3), device)
    s4_block = S4Block(d_model=16, d_state=8, device=device)
    linear = Linear(16, 3, device=device)

    y = linear.forward(s4_block.forward(x))
    loss = hx.losses.mse(y, target)
    loss.backward()

    assert y.shape == (4, 50, 3) and y.device == device
    hidden = s4_block(x).numpy().reshape(-1, 16)
    want = 2 * (y.numpy().reshape(-1, 3).T @ hidden) / y.size
    np.testing.assert_allclose(linear.weight.grad.numpy(), want, rtol=1e-4, atol=1e-6)
    for name, p in s4_block.named_parameters():
        assert p.grad.shape == p.shape and np.abs(p.grad.numpy()).max() > 0, name


def test_synthetic_data_of_every_kind():
    from helix_synth import SyntheticDataSystem

    s = SyntheticDataSystem(seed=0)
    sequences = s.generate_sequences(1000)
    images = s.generate_images(500)
    graphs = s.generate_graphs(200)
    series = s.generate_time_series(100)
    text = s.generate_text(1000)

    made = (sequences, images, graphs, series, text)
    assert [len(m) for m in made] == [1000, 500, 200, 100, 1000]
    assert sequences.column("inputs").shape == (1000, 512)
    assert images[3]["image"].shape == (64, 64, 3)
    assert graphs[0]["edges"].max() < graphs[0]["nodes"]
    assert np.isfinite(series.column("series")).all()
    assert isinstance(text[0]["text"], str)
    again = SyntheticDataSystem(seed=0).generate_sequences(1000)
    assert again.root == sequences.root != s.generate_sequences(1000, start=1).root


def test_anything_to_tensors_to_one_sequence_and_one_batch(tmp_path):
    import asyncio
    import io

    from helix_multimodal import IntelligentProcessor, unpack

    text_bytes = "Grüße aus 北京".encode()
    png_bytes = _png(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    wav_bytes = _wav(np.arange(-800, 800, dtype="<i2"), 16_000)

    p = IntelligentProcessor()
    a, b, c = [p.process_auto(x) for x in (text_bytes, png_bytes, wav_bytes)]
    fused = p.fuse([a, b, c])
    batch = p.collate([a, b], return_tensors="helix")

    assert [i.modality for i in (a, b, c)] == ["text", "image", "audio"]
    assert bytes(a["input_ids"].astype(np.uint8)) == text_bytes
    pixels = np.rint(b["pixel_values"] * 255).astype(np.uint8).transpose(1, 2, 0)
    assert pixels.tobytes() == bytes(range(60))
    assert np.array_equal(c["input_values"], np.arange(-800, 800) / np.float32(32768))
    assert c["input_features"].shape == (80, 3000)
    for item, again in zip((a, b, c), unpack(fused), strict=True):
        assert list(item.arrays) == list(again.arrays)
        for name, array in item.arrays.items():
            assert array.tobytes() == again[name].tobytes(), name
    assert batch["input_ids"].shape == (1, len(text_bytes))
    assert batch["pixel_values"].shape == (1, 3, 4, 5)
    assert isinstance(batch["pixel_values"], hx.Tensor)

    (tmp_path / "named.txt").write_bytes(png_bytes)
    path = p.process_auto(tmp_path / "named.txt")
    stream = p.process_auto(io.BytesIO(png_bytes))
    awaited = asyncio.run(p.aprocess_auto(png_bytes))
    for again in (path, stream, awaited):
        assert again["pixel_values"].tobytes() == b["pixel_values"].tobytes()


def _png(pixels):
    import struct
    import zlib

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    h, w, _ = pixels.shape
    head = struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def _wav(samples, rate):
    import io
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(samples.tobytes())
    return out.getvalue()
