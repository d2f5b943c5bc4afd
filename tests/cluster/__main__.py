"""The command line: `python -m tests.cluster up|down|status|build|load|path|clean-cache`."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from tests import cluster as clusters
from tests.cluster.binaries import KUBERNETES, ensure_part, ensure_tools
from tests.cluster.buildah import release_store
from tests.cluster.cache import cache_dir
from tests.cluster.model import BIN_DIR, KUBECONFIG, BuildRequest, ClusterError, prepare_cluster_dir
from tests.cluster.providers.source import SourceProvider
from tests.cluster.selection import select_provider
from tests.cluster.steps import say


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        prepare_cluster_dir()
        code: int = options.run(options)
    except ClusterError as error:
        say(f"\ncluster: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ncluster: interrupted; the same command goes on from here")
        return 130
    return code


def up(_: argparse.Namespace) -> int:
    if clusters.is_up():
        say("  ✓ the cluster is up already")
    clusters.ensure()
    say(f"export KUBECONFIG={KUBECONFIG} PATH={BIN_DIR}:$PATH")
    return 0


def down(options: argparse.Namespace) -> int:
    if options.clone is not None:
        SourceProvider(clone=options.clone).down()
    else:
        clusters.down()
    return 0


def status(_: argparse.Namespace) -> int:
    provider = select_provider()
    for name, value in provider.status():
        print(f"{name:<24} {value}")
    return 0 if provider.is_up() else 1


def build(options: argparse.Namespace) -> int:
    build_args = dict(entry.split("=", 1) for entry in options.build_arg)
    context: Path = options.context
    request = BuildRequest(options.tag, context, options.file or context / "Dockerfile", options.target, build_args)
    select_provider().builder().build(request)
    return 0


def load(options: argparse.Namespace) -> int:
    provider = select_provider()
    for image in options.image:
        print(provider.load(image))
    return 0


def path(_: argparse.Namespace) -> int:
    """Print the folder with kubectl and helm, made when it lacks one of them."""
    if not all((BIN_DIR / name).exists() for name in ("kubectl", "helm")):
        provider = select_provider()
        ensure_tools(kubectl_from=ensure_part(KUBERNETES) if provider.name == "source" else None)
    print(BIN_DIR)
    return 0


def host_address(_: argparse.Namespace) -> int:
    address = select_provider().host_address()
    if address is None:
        raise ClusterError("it is not known at which address this cluster's pods reach this machine")
    print(address)
    return 0


def clean_cache(_: argparse.Namespace) -> int:
    release_store()
    shutil.rmtree(cache_dir(), ignore_errors=True)
    say(f"removed {cache_dir()}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.cluster",
        description="A real Kubernetes for this clone. CLUSTER chooses it: a kubectl context, `kind` or `source`;"
        " else it is the current context, kind where Docker runs, or one built from source.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("up", help="bring it to Ready; harmless when it is").set_defaults(run=up)
    command = commands.add_parser("down", help="remove it and everything that it left on this machine")
    command.add_argument("--clone", type=Path, help="the cluster of another clone, by that clone's path")
    command.set_defaults(run=down)
    commands.add_parser("status", help="what runs, and how much memory it takes").set_defaults(run=status)
    command = commands.add_parser("build", help="build an image, for `load`")
    command.add_argument("--tag", required=True)
    command.add_argument("--file", type=Path, help="default: Dockerfile in the context")
    command.add_argument("--target")
    command.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("context", type=Path, nargs="?", default=Path())
    command.set_defaults(run=build)
    command = commands.add_parser("load", help="put built images where the nodes find them; prints their references")
    command.add_argument("image", nargs="+")
    command.set_defaults(run=load)
    commands.add_parser("path", help="print the folder with kubectl and helm").set_defaults(run=path)
    command = commands.add_parser("host-address", help="print the address at which pods reach this machine")
    command.set_defaults(run=host_address)
    command = commands.add_parser("clean-cache", help="remove what is cached: programs, images, layers")
    command.set_defaults(run=clean_cache)
    return parser


if __name__ == "__main__":
    sys.exit(main())
