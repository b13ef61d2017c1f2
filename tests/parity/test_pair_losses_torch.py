"""Contrastive losses and CTC beside torch's."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import losses

torch = pytest.importorskip("torch", reason="the peer of these losses")
F = torch.nn.functional


@pytest.mark.parametrize("blank", [0, 4])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ctc(blank, reduction):
    rng = np.random.default_rng(blank)
    z = rng.standard_normal((50, 6, 20))
    choice = [c for c in range(20) if c != blank]
    labels = rng.choice(choice, (6, 15))
    labels[0, :4] = labels[0, 0]  # repeats need blanks
    frames, counts = rng.integers(35, 51, 6), rng.integers(0, 16, 6)

    theirs = torch.tensor(z, requires_grad=True)
    lp = theirs.log_softmax(-1)
    lengths = torch.tensor(frames), torch.tensor(counts)
    want = F.ctc_loss(lp, torch.tensor(labels), *lengths, blank, reduction)
    want.sum().backward()

    def f(x):
        return losses.ctc(
            hx.log_softmax(x, -1),
            hx.tensor(labels),
            hx.tensor(frames),
            hx.tensor(counts),
            blank,
            reduction,
        )

    ours = hx.tensor(z)
    np.testing.assert_allclose(f(ours).numpy(), want.detach().numpy(), rtol=1e-9)
    grad = hx.grad(lambda x: hx.sum(f(x)))(ours).numpy()
    np.testing.assert_allclose(grad, theirs.grad.numpy(), atol=1e-9)


def test_info_nce():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 70, 16)).astype("float32")
    x = torch.tensor(a, requires_grad=True)
    z = x @ torch.tensor(b).T * 0.5
    own = torch.arange(70)
    want = (F.cross_entropy(z, own) + F.cross_entropy(z.T, own)) / 2
    want.backward()
    f = lambda t: losses.info_nce(t, hx.tensor(b), 0.5)
    assert abs(f(hx.tensor(a)).item() - want.item()) < 2e-6 * want.item()
    got = hx.grad(f)(hx.tensor(a)).numpy()
    np.testing.assert_allclose(got, x.grad.numpy(), atol=2e-6)
