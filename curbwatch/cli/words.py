"""What lists of devices, dead letters and terms say, in Chinese and English. Pure."""

from alerts.messages import Lang

HEADS = {
    "no": ("序号", "NO"),
    "class_code": ("类别", "CLASS"),
    "cell_id": ("网格", "CELL"),
    "opened_at": ("发现时间", "OPENED"),
    "closed_at": ("结束时间", "CLOSED"),
    "outlet": ("对接系统", "OUTLET"),
    "seq": ("步骤", "STEP"),
    "tries": ("次数", "TRIES"),
    "next_try": ("下次", "NEXT TRY"),
    "status": ("应答", "ANSWER"),
    "receipt": ("回执", "RECEIPT"),
    "error": ("错误", "ERROR"),
    "id": ("编号", "ID"),
    "kind": ("类别", "KIND"),
    "source": ("来源", "ENTERED BY"),
    "state": ("状态", "STATE"),
    "last_seen_at": ("最近收到", "LAST HEARD"),
    "unit_id": ("责任单位", "UNIT"),
    "crs": ("坐标系", "COORDINATES"),
    "aliases": ("别名", "ALIASES"),
    "alias": ("原编号", "FORM:ID"),
    "messages": ("消息数", "MESSAGES"),
    "first_seen_at": ("首次收到", "FIRST HEARD"),
    "topic": ("主题", "TOPIC"),
    "rate_per_min": ("每分钟", "PER MIN"),
    "lag_ms": ("延迟毫秒", "LAG MS"),
    "skew_ms": ("时钟偏差毫秒", "SKEW MS"),
    "gaps": ("缺号", "GAPS"),
    "duplicates": ("重复", "DUPLICATES"),
    "shed": ("略过", "SHED"),
    "rejected": ("拒收", "REJECTED"),
    "last_at": ("最近一次", "LAST"),
    "times": ("次数", "TIMES"),
    "role": ("角色", "ROLE"),
    "voided": ("作废", "VOIDED"),
    "asked": ("先提出", "ASKED FIRST"),
    "token": ("令牌自", "TOKEN SINCE"),
    "reason": ("原因", "REASON"),
    "device_id": ("设备", "DEVICE"),
    "size_bytes": ("字节", "BYTES"),
    "detail": ("说明", "DETAIL"),
    "adoption_id": ("编号", "ADOPTION"),
    "captured_at": ("画面时间", "CAPTURED"),
    "box_px": ("方框", "BOX PX"),
    "undoable": ("当时可撤销", "UNDOABLE THEN"),
    "written_at": ("记录时间", "WRITTEN"),
    "order_id": ("指令", "ORDER"),
    "action": ("动作", "ACTION"),
    "person": ("何人", "WHO"),
    "ordered_at": ("下达时间", "ORDERED"),
    "applied_at": ("执行时间", "DONE AT"),
    "outcome": ("结果", "OUTCOME"),
    "camera_id": ("相机", "CAMERA"),
    "health": ("画面状况", "PICTURES"),
    "since": ("开始", "SINCE"),
    "until": ("结束", "UNTIL"),
    "value": ("测值", "MEASURED"),
    "note": ("说明", "NOTE"),
    "sha256": ("图片摘要", "PICTURE"),
    "lamp": ("灯", "LAMP"),
    "late": ("超期", "OVER BY"),
    "stage": ("环节", "STAGE"),
    "due_at": ("时限", "DUE"),
    "list": ("清单", "LIST"),
    "incident_id": ("事件", "INCIDENT"),
    "what": ("情况", "WHAT"),
    "data": ("数据", "DATA"),
    "days": ("保留天数", "DAYS"),
    "due": ("到期", "DUE NOW"),
    "hold": ("保全", "HOLD"),
    "held": ("对象", "WHAT IS HELD"),
    "released_at": ("解除时间", "RELEASED"),
    "at": ("时间", "AT"),
    "name": ("名称", "NAME"),
    "lon": ("经度", "LON"),
    "lat": ("纬度", "LAT"),
    "distance_m": ("距离米", "AWAY M"),
    "nearest_m": ("最近米", "NEAREST M"),
    "speed_mps": ("速度米每秒", "SPEED M/S"),
    "heading_deg": ("航向度", "HEADING DEG"),
    "ignition": ("点火", "IGNITION"),
    "lift": ("举升", "LIFT"),
    "cover": ("篷布", "COVER"),
    "flags": ("标记", "FLAGS"),
    "first_at": ("首次", "FIRST"),
    "positions": ("位置数", "POSITIONS"),
    "preset": ("视图", "VIEW"),
}
STATES = {"online": "在线", "offline": "离线", "silent": "静默", "flapping": "频繁上下线", "unheard": "未收到过"}
# docs/camera-health.md says more about each.
HEALTH = {
    "ok": "正常",
    "frozen": "画面静止",
    "black": "全黑",
    "white": "全白",
    "flat": "单一颜色",
    "noise": "雪花噪声",
    "card": "测试卡或无视频",
    "dark": "过暗",
    "blurred": "模糊或雨滴",
    "covered": "被遮挡",
    "moved": "被转动",
    "preset": "预置位不符",
    "light": "昼夜或红外切换",
    "changed": "画面不符",
    "resolution": "分辨率改变",
    "progressive": "渐进式 JPEG",
}
# docs/intake.md says more about each.
REASONS = {
    "topic": "主题不符",
    "spoof": "主题与内容中的设备不一致",
    "no_device": "不知是哪台设备",
    "encrypted": "已加密,无法读取",
    "unknown_device": "设备未登记",
    "rate": "发送过快",
    "size": "字节过多",
    "items": "位置条数过多",
    "empty": "内容为空",
    "json": "不是有效的 JSON",
    "type": "缺少字段或类型不符",
    "dup_key": "字段重复",
    "range": "数值超出范围",
    "text": "文本过长或含空字符",
    "crs": "坐标系不明",
    "ts": "时间无效",
    "tz": "时间缺少时区",
    "ts_future": "时间超前",
    "ts_too_old": "时间过旧",
    "seq": "序号无效",
    "store": "数据库拒收",
    "format": "格式不符",
    "base64": "base64 无效",
    "checksum": "校验码不符",
    "length": "长度不符",
    "subpackage": "分包不完整",
    "incomplete": "分片图片不完整",
    "truncated": "图片被截断",
    "trailing": "图片后有多余字节",
    "pixels": "图片尺寸不符",
    "coding": "不支持的 JPEG 编码",
    "sha256": "摘要不符",
    "corrupt": "图片损坏",
    "decoder_crash": "解码进程崩溃",
    "decoder_timeout": "解码超时",
    "decoder_memory": "解码内存超限",
    "poison": "连续致解码崩溃,暂停解码",
    "size_mismatch": "图片尺寸与文件头不符",
    "failed": "分析失败",
}
# Classes of data by the names of their terms in the configuration, and what `keep run` counts beside them.
DATA = {
    "positions": "车辆位置",
    "sightings": "目击记录",
    "device_health": "设备状况",
    "camera_events": "相机事件",
    "letters": "死信",
    "traces": "投递痕迹",
    "keys": "操作编号",
    "stuck": "滞留清单",
    "kpi": "考核封账",
    "hours": "小时汇总",
    "evidence": "证据图片",
    "rows": "删除的行",
    "pictures": "删除的图片",
    "strays": "无主文件",
    "stages": "未完成的写入",
    "strange": "来历不明的文件",
    "missing": "缺失的文件",
    "dry_run": "仅试算",
}
UNABLE = {
    "was replayed already": "已重放过",
    "is a row that the database refused, and no message": "是数据库拒收的行,不是消息",
    "is a picture: the newest counts, and only its beginning is kept": "是图片:以最新的为准,且只保存了开头",
    "is cut: only the beginning of its payload is kept": "已截断:只保存了内容的开头",
}
KINDS = {"camera": "相机", "vehicle": "车辆", "device": "设备", "stranger": "陌生设备"}
NONE = ("无", "none")


def head(name: str, lang: Lang) -> str:
    """A column's head; unknown ones as they are."""
    return HEADS.get(name, (name, name))[lang == "en"]


def state_word(state: str | None, lang: Lang) -> str:
    """A device's state, in Chinese with what it means; None: ``-``."""
    return _word(STATES, state or "-", lang)


def health_word(kind: str, lang: Lang) -> str:
    """What is the matter with a camera's pictures, in Chinese with what it means."""
    return _word(HEALTH, kind, lang)


def reason_word(reason: str, lang: Lang) -> str:
    """A dead letter's reason as the filters take it, in Chinese with what it means; unknown ones as they are."""
    return _word(REASONS, reason, lang)


def data_word(name: str, lang: Lang) -> str:
    """A class of data as the configuration calls it, in Chinese with what it means; unknown ones as they are."""
    return _word(DATA, name, lang)


def unable_word(why: str, lang: Lang) -> str:
    """Why a letter cannot be replayed; unknown ones as they are."""
    return UNABLE.get(why, why) if lang == "zh" else why


def kind_word(kind: str, lang: Lang) -> str:
    """What a device is; unknown ones as they are."""
    return KINDS.get(kind, kind) if lang == "zh" else kind


def _word(words: dict[str, str], code: str, lang: Lang) -> str:
    return f"{code} {words[code]}" if lang == "zh" and code in words else code
