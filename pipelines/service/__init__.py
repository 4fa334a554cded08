"""A stored model as a service: programs ask it for many patients, a page for one."""

from pipelines.service.app import make_app
from pipelines.service.security import Limits, is_loopback, read_token

__all__ = ["Limits", "is_loopback", "make_app", "read_token"]
