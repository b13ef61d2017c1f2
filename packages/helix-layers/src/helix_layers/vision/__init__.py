"""Models of images."""

from .resnet import BasicBlock as BasicBlock
from .resnet import Bottleneck as Bottleneck
from .resnet import ResNet as ResNet
from .resnet import ResNetConfig as ResNetConfig
from .unet import UNet as UNet
from .unet import UNetConfig as UNetConfig
