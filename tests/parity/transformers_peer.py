"""What tests against small random models of transformers share."""

import helix_core as hx
import numpy as np
import torch

DEVICES = ("cpu", "numpy")


def drawn(model, seed=0):
    """With noise on every weight: biases and norms start at 0 and 1, which hides much."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return model.eval()


def ids(batch=2, time=19, vocab=61):
    return np.random.default_rng(1).integers(1, vocab, (batch, time))


def close(got, want, share=1e-4):
    want = want.detach().numpy() if isinstance(want, torch.Tensor) else want
    got = got.numpy() if isinstance(got, hx.Tensor) else got
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= share * np.abs(want).max()


def close_gradients(model, weights, ref):
    """Every gradient of ours is theirs, and none of theirs is left.

    Parameters that ours joins are compared as one: without rotary positions the gradient
    of the keys' bias is zero, and what they compute is rounding.
    """
    grads = {name: p.grad.numpy() for name, p in ref.named_parameters()}
    ours = {name: p.grad.numpy() for name, p in model.named_parameters()}
    for w in weights:
        parts = [grads.pop(name) for name in w.theirs]
        if w.by_head:  # rows [q; k; v] of each head in turn
            (a,) = parts
            a = a.reshape(w.by_head, 3, -1, *a.shape[1:])
            parts = [a[:, i].reshape(-1, *a.shape[3:]) for i in range(3)]
        close(
            ours.pop(w.ours),
            np.concatenate([p.T if w.transposed else p for p in parts]),
        )
    assert not grads and not ours


def check_language_model(model, ref, weights, device, time=19):
    """Logits, loss and all gradients."""
    x = ids(time=time + 1)
    inputs, labels = x[:, :-1], x[:, 1:]
    logits = ref(torch.tensor(inputs)).logits
    close(model(hx.tensor(inputs, device=device)), logits)
    flat = logits.reshape(-1, logits.shape[-1])
    loss = torch.nn.functional.cross_entropy(flat, torch.tensor(labels).reshape(-1))
    loss.backward()
    ours = model.loss(
        hx.tensor(inputs, device=device), hx.tensor(labels, device=device)
    )
    ours.backward()
    assert abs(ours.item() - loss.item()) <= 1e-4 * loss.item()
    close_gradients(model, weights, ref)


def check_saved(model, ref, kind, folder):
    """They read what we save, with nothing missing, and compute the same bits."""
    model.save_transformers(folder)
    back, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    x = torch.tensor(ids())
    with torch.no_grad():
        assert torch.equal(back.eval()(x)[0], ref(x)[0])


def check_greedy(model, ref, count=24):
    """The same ids, each of the largest logit."""
    prompt = ids(1, 7)
    want = ref.generate(
        torch.tensor(prompt),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )[0, 7:]
    assert model.generate(prompt[0].tolist(), count, temperature=0.0) == want.tolist()


def check_streaming(model, device, time=19):
    """Prefill, a second chunk and steps give the logits of the whole pass."""
    x = ids(time=time).astype("int32")
    with hx.no_grad():
        want = model(hx.tensor(x, device=device)).numpy()
        _, state = model.prefill(hx.tensor(x[:, :4], device=device))
        last, state = model.prefill(hx.tensor(x[:, 4:9], device=device), state)
        close(last, want[:, 8])
        for t in range(9, time):
            last, state = model.step(hx.tensor(x[:, t], device=device), state)
            close(last, want[:, t])
