"""The light module behind core's own optimizers, schedules and losses."""

from helix_core.contracts import LossSpec, OptimizerSpec, ScheduleSpec
from helix_core.plugins import hookimpl


@hookimpl
def helix_optimizers() -> list[OptimizerSpec]:
    summaries = {
        "SGD": "Gradient descent with momentum, dampening, Nesterov.",
        "Adam": "Adaptive moments; weight decay is added to the gradient.",
        "AdamW": "Adam with decoupled weight decay.",
        "RMSprop": "The gradient over its running root mean square.",
    }
    return [
        OptimizerSpec(name=k.lower(), factory=f"helix_core.optim:{k}", summary=text)
        for k, text in summaries.items()
    ]


@hookimpl
def helix_schedules() -> list[ScheduleSpec]:
    summaries = {
        "constant": "Always the same.",
        "linear_warmup": "Up in a line, then 1.",
        "cosine": "Half a cosine down, after a linear warm-up.",
        "wsd": "Warm-up, stable, decay.",
        "step_decay": "A factor for every period.",
        "exponential": "A factor for every step.",
        "one_cycle": "Up by a cosine and far down again.",
    }
    found = [
        ScheduleSpec(name=k, factory=f"helix_core.schedules:{k}", summary=text)
        for k, text in summaries.items()
    ]
    plateau = ScheduleSpec(
        name="plateau",
        factory="helix_core.schedules:ReduceOnPlateau",
        summary="Down when a metric has stopped improving.",
    )
    return [*found, plateau]


@hookimpl
def helix_losses() -> list[LossSpec]:
    summaries = {
        "mse": "Squared difference.",
        "l1": "Absolute difference.",
        "smooth_l1": "Huber over its width.",
        "huber": "Squared near zero, then linear.",
        "cross_entropy": "Negative log-likelihood of softmax(logits).",
        "bce": "Binary cross-entropy of probabilities.",
        "bce_with_logits": "Binary cross-entropy of sigmoid(logits).",
        "kl_div": "Divergence of log-probabilities from a target.",
        "info_nce": "Each embedding finds its pair in the batch.",
        "siglip": "Each pair of embeddings is told whether it belongs together.",
        "ctc": "Labels without their times, over all alignments.",
    }
    found = [
        LossSpec(name=k, factory=f"helix_core.losses:{k}", summary=text)
        for k, text in summaries.items()
    ]
    fused = LossSpec(
        name="linear_cross_entropy",
        factory="helix_core:linear_cross_entropy",
        summary="Cross-entropy of a linear layer, without ever holding its logits.",
    )
    return [*found, fused]
