"""What a verb refuses, in the language of who reads it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from alerts.messages import Lang
from schemas.errors import CurbwatchError, SaidError, SetupError, SinkError, UsageError

TROUBLES = {
    errno.ENOENT: "没有此文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EISDIR: "是文件夹",
    errno.ENOTDIR: "路径中有一段不是文件夹",
    errno.ENOSPC: "磁盘已满",
    errno.EROFS: "只读",
}
# Heads of what is not said in Chinese: what a server itself says stays as it is.
AWAY = "数据库、任务队列或磁盘暂时不可用,请稍后再试,或联系管理员"
DENIED = "数据库或任务队列拒绝了此操作,再试无用,请联系管理员"
NOT_SET_UP = "系统未安装好或未配置好,请联系管理员"


@contextmanager
def spoken(lang: Lang) -> Iterator[None]:
    """Tell what is refused within in a language; what a server said of itself gets a head that says what it means.

    Only what may be there later is told as something to wait for: a record that was changed is no outage. Raises
    UsageError in place of SaidError; every other error comes through as it is, but for its words.
    """
    try:
        yield
    except SaidError as error:
        raise UsageError(error.line(lang)) from None
    except CurbwatchError as error:
        head = _head(error)
        if lang == "zh" and (error.chinese or head):
            error.chinese = error.chinese or f"{head}:{error}"  # said once, however many times it passes here
            error.args = (error.chinese,)
        raise


def _head(error: CurbwatchError) -> str:
    """What kind of trouble an error without Chinese is; empty: none of a server."""
    if isinstance(error, SinkError):
        return AWAY if error.retryable else DENIED
    return NOT_SET_UP if isinstance(error, SetupError) else ""


def trouble_zh(error: OSError | ValueError) -> str:
    """What is the matter with a file, in Chinese; what is rare in the system's own words."""
    own = getattr(error, "strerror", None) or str(error)
    return TROUBLES.get(getattr(error, "errno", None) or 0, own)
