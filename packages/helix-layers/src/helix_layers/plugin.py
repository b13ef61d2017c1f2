"""The light module behind this package's entry points."""

from helix_core.contracts import CommandSpec, LayerSpec, ModelSpec
from helix_core.plugins import hookimpl

_LAYERS = {
    "linear": ("Linear", "An affine map of the last axis."),
    "embedding": ("Embedding", "A table of vectors."),
    "rms_norm": ("RMSNorm", "Root mean square norm of the last axis."),
    "layer_norm": ("LayerNorm", "Layer norm of the last axis."),
    "dropout": ("Dropout", "Zero elements at random in training."),
    "conv2d": ("Conv2d", "Convolution of images."),
    "conv_transpose2d": ("ConvTranspose2d", "Transposed convolution of images."),
    "batch_norm2d": ("BatchNorm2d", "Batch norm of images."),
    "group_norm": ("GroupNorm", "Norm of groups of channels."),
    "instance_norm": ("InstanceNorm", "Norm of each channel of each example."),
    "max_pool2d": ("MaxPool2d", "Maximum of windows of an image."),
    "avg_pool2d": ("AvgPool2d", "Mean of windows of an image."),
    "upsample": ("Upsample", "Resample the spatial axes."),
    "mamba": ("MambaBlock", "Selective state space block (Mamba)."),
    "s4d": ("S4Block", "Diagonal state space block (S4D)."),
    "hyena": ("HyenaBlock", "Gated long convolutions (Hyena)."),
    "lstm": ("LSTMBlock", "Long short-term memory block."),
    "gru": ("GRUBlock", "Gated recurrent unit block."),
    "attention": ("AttentionBlock", "Self-attention block with a cache."),
    "mlp": ("MLPBlock", "Feed-forward block, plain or gated."),
    "transformer": ("TransformerBlock", "Attention and feed-forward block."),
}


@hookimpl
def helix_layers() -> list[LayerSpec]:
    return [
        LayerSpec(name=name, factory=f"helix_layers:{cls}", summary=summary)
        for name, (cls, summary) in _LAYERS.items()
    ]


@hookimpl
def helix_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            name="mamba_lm",
            factory="helix_layers._mamba_lm:build",
            summary="A language model of Mamba blocks.",
        ),
        ModelSpec(
            name="hyena_lm",
            factory="helix_layers.hyena._lm:build",
            summary="A language model of Hyena blocks.",
        ),
        ModelSpec(
            name="resnet",
            factory="helix_layers.vision.resnet:build",
            summary="A residual network that classifies images.",
        ),
        ModelSpec(
            name="unet",
            factory="helix_layers.vision.unet:build",
            summary="A U-Net, from images to images.",
        ),
        ModelSpec(
            name="transformer_lm",
            factory="helix_layers.transformer.lm:build",
            summary="A language model of Transformer blocks, like GPT-2 or Llama.",
        ),
        ModelSpec(
            name="encoder",
            factory="helix_layers.transformer.encoder:build",
            summary="A bidirectional encoder, like BERT.",
        ),
        ModelSpec(
            name="stack_lm",
            factory="helix_layers._stack:build",
            summary="A language model of any layers: --set pattern='mamba*3 attention'.",
        ),
    ]


@hookimpl
def helix_commands() -> list[CommandSpec]:
    return [
        CommandSpec(
            name="generate",
            factory="helix_layers.commands:generate",
            summary="Continue a prompt with a trained model.",
        )
    ]
