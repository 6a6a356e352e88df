"""What must hold for every service of docker-compose.yml; each rule gives the breaches it finds, as sentences."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lakeloop.settings import PROJECT
from tests.deploy.compose_file import Service, is_one_shot, words

PUBLISHED = {8080, 8000, 8085, 8500, 8501, 9090, 9093, 3000, 6006, 8888}
IMAGE = re.compile(r"[a-z0-9][a-z0-9._/-]*:v?\d+\.\d+[A-Za-z0-9._-]*")
CONFIDENTIAL = re.compile(r"PASSWORD|PASSFILE|TOKEN|SECRET|KEY", re.IGNORECASE)
MOUNTED = re.compile(r"/(?:run/secrets|etc|srv|var/lib)/[\w./-]+")
"""Paths at which an image has nothing of its own that a command or a variable would name."""
SECRETS_FOLDER = PROJECT / "deploy" / "secrets"

Rule = Callable[[dict[str, Any]], Iterator[str]]


def of_each_service(check: Callable[[str, Service], Iterator[str]]) -> Rule:
    """A rule that looks at one service after the other."""

    def rule(compose: dict[str, Any]) -> Iterator[str]:
        for name, service in compose["services"].items():
            yield from (f"{name}: {breach}" for breach in check(name, service))

    rule.__name__ = check.__name__
    return rule


@of_each_service
def image_is_pinned(_: str, service: Service) -> Iterator[str]:
    if not IMAGE.fullmatch(service.get("image", "")):
        yield f"image {service.get('image')} has no exact tag"


@of_each_service
def user_is_not_root(_: str, service: Service) -> Iterator[str]:
    user = str(service.get("user", ""))
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        yield f"user is {user!r}, not the numbers of a user and a group beside root's"


@of_each_service
def can_do_little(_: str, service: Service) -> Iterator[str]:
    if not service.get("read_only"):
        yield "its own files can be written to"
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
        yield "it has capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []) or service.get("privileged"):
        yield "it can gain privileges"
    if service.get("network_mode") or service.get("pid") or service.get("ipc"):
        yield "it shares the host's network or processes"


@of_each_service
def is_limited(_: str, service: Service) -> Iterator[str]:
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    for what in ("cpus", "memory", "pids"):
        if not float(limits.get(what, 0)) > 0:
            yield f"{what} has no limit"


@of_each_service
def health_is_asked(_: str, service: Service) -> Iterator[str]:
    check = service.get("healthcheck", {})
    if not is_one_shot(service):
        for key in ("test", "interval", "timeout", "retries", "start_period"):
            if not check.get(key):
                yield f"its health check has no {key}"
        if check.get("disable") or check.get("test", ["NONE"])[0] != "CMD":
            yield "its health check is not a command"


@of_each_service
def starts_again(_: str, service: Service) -> Iterator[str]:
    if service.get("restart") not in ("unless-stopped", "no"):
        yield f"restart is {service.get('restart')!r}"


def waits_for_what_works(compose: dict[str, Any]) -> Iterator[str]:
    """Nothing waits for a mere start: for a one-shot's success, or for a health check."""
    for name, service in compose["services"].items():
        for other, how in service.get("depends_on", {}).items():
            once = is_one_shot(compose["services"][other])
            if how["condition"] != ("service_completed_successfully" if once else "service_healthy"):
                yield f"{name}: waits for {other} with {how['condition']}"


def ports_are_as_listed(compose: dict[str, Any]) -> Iterator[str]:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    for port in ports:
        if port.get("host_ip") != "127.0.0.1":
            yield f"port {port.get('published')} is open beyond loopback"
        if str(port["target"]) != port.get("published"):
            yield f"port {port['target']} is published as {port.get('published')}"
    if {port["target"] for port in ports} != PUBLISHED or len(ports) != len(PUBLISHED):
        yield f"published: {sorted(port['target'] for port in ports)}, wanted: {sorted(PUBLISHED)}"


@of_each_service
def holds_no_secret(_: str, service: Service) -> Iterator[str]:
    for name, value in service.get("environment", {}).items():
        from_file = value.startswith("/run/secrets/") or value.startswith("cat /run/secrets/")
        if CONFIDENTIAL.search(name) and not from_file:
            yield f"{name} is not read from a file"
    for text in words(service):
        if re.search(r"://[^/@\s:]+:[^/@\s]+@", text):
            yield f"a URL holds a password: {text.split('@')[-1]}"


def secrets_come_from_the_ignored_folder(compose: dict[str, Any]) -> Iterator[str]:
    for name, secret in compose.get("secrets", {}).items():
        if not secret.get("file") or Path(secret["file"]).parent != SECRETS_FOLDER:
            yield f"secret {name} is not a file of {SECRETS_FOLDER}"


@of_each_service
def named_paths_are_mounted(_: str, service: Service) -> Iterator[str]:
    mounted = [*service.get("secrets", []), *service.get("volumes", [])]
    for path in sorted({found for text in words(service) for found in re.findall(MOUNTED, text)}):
        if not any(Path(path).is_relative_to(mount["target"]) for mount in mounted):
            yield f"{path} is named and not mounted"


@of_each_service
def mounted_paths_exist(_: str, service: Service) -> Iterator[str]:
    for volume in service.get("volumes", []):
        source = Path(volume["source"])
        if volume["type"] == "bind" and source.parent != SECRETS_FOLDER and not source.exists():
            yield f"{source} is mounted and does not exist"


@of_each_service
def named_project_paths_exist(_: str, service: Service) -> Iterator[str]:
    for text in words(service):
        for path in re.findall(r"/opt/lakeloop(/[\w./-]*)?", text):
            if not (PROJECT / path.lstrip("/")).exists():
                yield f"/opt/lakeloop{path} is named, and the project has no {path.lstrip('/')}"


def named_hosts_are_services(compose: dict[str, Any]) -> Iterator[str]:
    known = {*compose["services"], "127.0.0.1", "0.0.0.0"}
    for name, service in compose["services"].items():
        for text in words(service):
            for host in re.findall(r"://(?:[\w.-]+@)?([\w.-]+):\d+", text):
                if host not in known:
                    yield f"{name}: {host} is not a service"


RULES: tuple[Rule, ...] = (
    image_is_pinned, user_is_not_root, can_do_little, is_limited, health_is_asked, starts_again, waits_for_what_works,
    ports_are_as_listed, holds_no_secret, secrets_come_from_the_ignored_folder, named_paths_are_mounted,
    mounted_paths_exist, named_project_paths_exist, named_hosts_are_services,
)  # fmt: skip
