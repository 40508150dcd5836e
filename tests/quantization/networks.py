"""Small networks with what makes graphs hard: residual additions, a reused activation, concatenation, tied and shared parts."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.down = None
        if stride != 1:
            self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.down is None else self.down(x)
        return self.relu(y)


class Residual(nn.Module):
    """Ends in two poolings, a concatenation and a layer norm."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.stage1 = Block(width, width, 1)
        self.stage2 = Block(width, 2 * width, 2)
        self.norm = nn.LayerNorm(4 * width)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(4 * width, 10)

    def forward(self, x):
        x = self.stage2(self.stage1(torch.relu(self.stem(x))))
        pooled = [nn.functional.avg_pool2d(x, x.shape[-1]), nn.functional.adaptive_max_pool2d(x, 1)]
        return self.head(self.norm(self.drop(torch.cat(pooled, 1).flatten(1))))


class Attention(nn.Module):
    """Token indices to a vector, through projections that share an input."""

    def __init__(self, width=16):
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.norm = nn.LayerNorm(width)
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.out_proj = nn.Linear(width, width)
        self.head = nn.Linear(width, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        x = self.embed(tokens)
        y = self.norm(x)
        q, k, v = self.q_proj(y), self.k_proj(y), self.v_proj(y)
        scores = torch.softmax(q @ k.transpose(-1, -2) / 4, -1)
        return self.head(x + self.out_proj(scores @ v))


def shaken(model, seed=0):
    """In evaluation mode, with batch norms that do something."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            n = module.num_features
            module.running_mean.copy_(torch.randn(n, generator=generator))
            module.running_var.copy_(torch.rand(n, generator=generator) + 0.5)
            module.weight.data.copy_(torch.rand(n, generator=generator) + 0.5)
            module.bias.data.copy_(torch.randn(n, generator=generator))
    return model.eval()


def residual(seed=0):
    torch.manual_seed(seed)
    return shaken(Residual(), seed)


def attention(seed=0):
    torch.manual_seed(seed)
    return shaken(Attention(), seed)


def images(batches=4, size=6, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, 1, 8, 8, generator=generator) for _ in range(batches)]


def tokens(batches=4, size=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 11, (size, 5), generator=generator) for _ in range(batches)]
