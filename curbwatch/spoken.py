"""What a verb refuses, in the language of who reads it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from alerts.messages import Lang
from schemas.errors import SaidError, SetupError, SinkError, UsageError

TROUBLES = {
    errno.ENOENT: "没有此文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EISDIR: "是文件夹",
    errno.ENOTDIR: "路径中有一段不是文件夹",
    errno.ENOSPC: "磁盘已满",
    errno.EROFS: "只读",
}
AWAY = "数据库或任务队列不可用,请稍后再试,或联系管理员"  # what a server itself says stays as it is


@contextmanager
def spoken(lang: Lang) -> Iterator[None]:
    """Tell what is refused within in a language; what a server said of itself gets a head that says what it means.

    Raises UsageError in place of SaidError; every other error comes through as it is.
    """
    try:
        yield
    except SaidError as error:
        raise UsageError(error.line(lang)) from None
    except (SinkError, SetupError) as error:
        if lang == "zh" and AWAY not in str(error):
            error.args = (f"{AWAY}:{error}",)
        raise


def trouble_zh(error: OSError | ValueError) -> str:
    """What is the matter with a file, in Chinese; what is rare in the system's own words."""
    own = getattr(error, "strerror", None) or str(error)
    return TROUBLES.get(getattr(error, "errno", None) or 0, own)
