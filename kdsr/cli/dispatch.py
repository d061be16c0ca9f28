"""What runs each command; only that is imported, as PyTorch takes a moment."""

import argparse

from . import commands


def upscale(arguments: argparse.Namespace) -> int:
    """Upscales files, here or on a cluster."""
    from .upscale import upscale

    return upscale(commands.Upscale.of(arguments))


def estimate(arguments: argparse.Namespace) -> int:
    """Says, and saves, how images were degraded."""
    from .estimating import estimate

    return estimate(commands.Estimate.of(arguments))


def inspect(arguments: argparse.Namespace) -> int:
    """Says, and draws, what an IDR means."""
    from .estimating import inspect

    return inspect(commands.Inspect.of(arguments))


def bake(arguments: argparse.Namespace) -> int:
    """Writes networks for other programs."""
    from .exporting import bake

    return bake(commands.Bake.of(arguments))


def demo(arguments: argparse.Namespace) -> int:
    """Writes a web page, and serves it."""
    from .exporting import demo

    return demo(commands.Demo.of(arguments))


def info(arguments: argparse.Namespace) -> int:
    """Says what a model is."""
    from .model_set import info

    return info(commands.Info.of(arguments))


def convert(arguments: argparse.Namespace) -> int:
    """Converts weights between formats."""
    from .model_set import convert

    return convert(commands.Convert.of(arguments))


def blend_models(arguments: argparse.Namespace) -> int:
    """Writes a model between two."""
    from .model_set import blend_models

    return blend_models(commands.BlendModels.of(arguments))


def models(_: argparse.Namespace) -> int:
    """Lists the catalog."""
    from .model_set import models

    return models()
