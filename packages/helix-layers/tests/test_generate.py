import json

import helix_core as hx
import numpy as np
import pytest
from helix_core import files
from helix_core.cli import main
from helix_layers import (
    Encoder,
    EncoderConfig,
    HyenaConfig,
    HyenaLM,
    MambaConfig,
    MambaLM,
    TransformerConfig,
    TransformerLM,
    from_transformers,
)


def helix(capsys, *args):
    with pytest.raises(SystemExit) as e:
        main(list(args))
    out = capsys.readouterr()
    return e.value.code, out.out, out.err


@pytest.fixture
def run(tmp_path):
    """A run directory as `helix train` leaves it."""
    config = {"d_model": 16, "n_layers": 1}
    model = MambaLM(MambaConfig(**config), generator=hx.Generator(0))
    values = {"model": {"name": "mamba_lm", "config": config}, "device": "cpu"}
    files.write_json(tmp_path / "config.json", values)
    arrays = {k: np.asarray(v) for k, v in model.state_dict().items()}
    store = files.CheckpointStore(tmp_path / "ckpt")
    store.save(3, {"model": arrays, "state": {"step": 3}})
    return tmp_path, model


def test_json_holds_prompt_and_text(capsys, run):
    path, model = run
    args = ["generate", str(path), "--prompt", "ab", "-n", "9", "--seed", "2", "--json"]
    code, out, _ = helix(capsys, *args)
    values = json.loads(out)
    want = bytes(model.generate(b"ab", 9, temperature=0.8, seed=2))
    assert code == 0 and values["text"] == (b"ab" + want).decode("utf-8", "replace")


def test_text_streams_raw_bytes(capfdbinary, run):
    path, model = run
    with pytest.raises(SystemExit) as e:
        main(["generate", str(path), "-n", "9", "--temperature", "0"])
    want = b"def " + bytes(model.generate(b"def ", 9, temperature=0.0))
    assert e.value.code == 0 and capfdbinary.readouterr().out.startswith(want)


def test_a_folder_of_transformers_works_too(capsys, run, tmp_path):
    _, model = run
    model.save_transformers(tmp_path / "hf")
    code, out, _ = helix(capsys, "generate", str(tmp_path / "hf"), "-n", "3", "--json")
    assert code == 0 and json.loads(out)["text"].startswith("def ")


@pytest.mark.parametrize(
    "args, word",
    [
        (["nowhere"], "run directory"),
        (["{run}", "-n", "0"], "--count"),
        (["{run}", "--temperature", "-1"], "temperature"),
        (["{run}", "--which", "99"], "99"),
        (["{run}", "--device", "marble"], "marble"),
    ],
)
def test_bad_input_is_one_line(capsys, run, args, word):
    args = [a.format(run=run[0]) for a in args]
    code, _, err = helix(capsys, "generate", *args)
    assert code == 1 and word in err and "Traceback" not in err


def test_help_shows_examples(capsys):
    code, out, _ = helix(capsys, "generate", "--help")
    assert code == 0 and "helix generate runs/demo" in out


def test_no_half_loaded_model(tmp_path):
    model = MambaLM(MambaConfig(d_model=8, n_layers=1), generator=hx.Generator(0))
    model.save_transformers(tmp_path)
    data = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[:-5])
    with pytest.raises(files.FileError):
        MambaLM.from_transformers(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(files.FileError, match=r"model\.safetensors"):
        MambaLM.from_transformers(tmp_path)
    with pytest.raises(files.FileError, match=r"config\.json"):
        MambaLM.from_transformers(tmp_path / "none")


@pytest.mark.parametrize(
    "make",
    [
        lambda: MambaLM(MambaConfig(d_model=16, n_layers=1)),
        lambda: HyenaLM(HyenaConfig(d_model=16, n_layers=1, l_max=64)),
        lambda: TransformerLM(
            TransformerConfig(
                d_model=16, n_layers=1, n_heads=2, norm="rms_norm", mlp="swiglu"
            )
        ),
    ],
    ids=["mamba", "hyena", "transformer"],
)
def test_any_folder_of_transformers_is_read_by_what_it_holds(make, tmp_path, capsys):
    hx.seed(0)
    model = make()
    model.save_transformers(tmp_path)
    again = from_transformers(tmp_path)
    assert type(again) is type(model)
    ids = hx.tensor(np.array([[1, 2, 3]], np.int32))
    np.testing.assert_allclose(again(ids).numpy(), model(ids).numpy(), atol=1e-6)
    args = ["generate", str(tmp_path), "-n", "4", "--temperature", "0", "--json"]
    code, out, _ = helix(capsys, *args)
    assert code == 0 and json.loads(out)["text"].startswith("def ")


def test_a_model_that_we_do_not_compute_is_named(tmp_path):
    files.write_json(tmp_path / "config.json", {"model_type": "t5"})
    with pytest.raises(files.FileError, match="got 't5'"):
        from_transformers(tmp_path)


def test_an_encoder_generates_nothing(tmp_path, capsys):
    hx.seed(0)
    config = EncoderConfig(vocab_size=64, d_model=16, n_layers=1, n_heads=2, d_ff=32)
    Encoder(config).save_transformers(tmp_path)
    code, _, err = helix(capsys, "generate", str(tmp_path), "-n", "4")
    assert code != 0 and "expected a language model; got Encoder" in err
