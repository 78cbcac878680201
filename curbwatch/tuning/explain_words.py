"""What an explanation says in plain words, Chinese and English: classes, features, reasons, whole sentences. Pure."""

from alerts.messages import Lang

Pair = tuple[str, str]  # Chinese, English

CLASS_WORDS: dict[str, Pair] = {
    "stall": ("摊点", "stall"),
    "waste": ("垃圾", "waste"),
    "vehicle": ("车辆", "vehicle"),
    "bike": ("非机动车", "bike"),
    "crowd": ("人群", "crowd"),
    "other": ("其他", "other"),
}
FEATURE_WORDS: dict[str, Pair] = {
    "log_height": ("高度", "height"),
    "log_width": ("宽度", "width"),
    "log_area": ("面积", "area"),
    "aspect": ("宽高比", "width to height"),
    "fill": ("外框填充率", "how full its box is"),
    "foot": ("底部位置", "how low it stands in the picture"),
    "height_by_foot": ("相对位置的高度", "height for where it stands"),
    "grey_mean": ("亮度", "brightness"),
    "grey_change": ("比背景更亮", "brighter than the ground was"),
    "grey_std": ("亮度反差", "contrast"),
    "bright": ("高亮比例", "very bright parts"),
    "dark": ("很暗比例", "very dark parts"),
    "u_mean": ("偏蓝", "blue tint"),
    "v_mean": ("偏红", "red tint"),
    "u_std": ("蓝色变化", "variety of blue"),
    "v_std": ("红色变化", "variety of red"),
    "colourful": ("色彩浓度", "colourfulness"),
    "u_change": ("蓝色改变", "bluer than the ground was"),
    "v_change": ("红色改变", "redder than the ground was"),
    "colour_change": ("颜色改变", "change of colour"),
    "busy_new": ("纹理", "edges inside"),
    "busy_old": ("背景纹理", "edges of the ground behind"),
    "upright": ("竖直边", "upright edges"),
    "edge_density": ("强边缘", "strong edges"),
    "ncc": ("与背景的相关", "likeness to the ground's texture"),
    "ratio": ("亮度比", "brightness ratio to the ground"),
    "spread": ("亮度比离散", "spread of that ratio"),
    "ghost": ("背景轮廓更清楚", "outline clearer in the background"),
    "edge_candidate": ("轮廓清晰度", "clearness of the outline"),
    "ring_background": ("背景与四周差异", "ground differs from its surroundings"),
    "ring_candidate": ("与四周差异", "differs from its surroundings"),
    "ring_activity": ("四周人流", "movement around it"),
    "row_activity": ("同高处人流", "movement at this distance"),
    "unrest": ("仍在变化", "still changing"),
    "votes_spread": ("停留不均", "stood unevenly"),
    "grey_layout": ("亮度分布", "layout of brightness"),
    "busy_layout": ("纹理分布", "layout of edges"),
    "fill_layout": ("外形", "outline shape"),
    "u_layout": ("蓝色分布", "layout of blue"),
    "v_layout": ("红色分布", "layout of red"),
    "angle_layout": ("边缘方向", "directions of edges"),
}
DECISION_WORDS: dict[str, Pair] = {
    "alert": ("会报警", "an alert"),
    "unsure": ("把握不足", "the class is not sure enough"),
    "outside_zones": ("在监看区域之外", "its foot is outside the zones"),
    "preset": ("所有区域属于别的预置位", "all its zones are drawn in other views"),
    "permit": ("此处此时允许", "it is permitted here and now"),
    "dwell": ("该类别要求停留更久", "its class asks for a longer dwell"),
    "class_vehicle": ("看起来是车辆", "it looks like a vehicle"),
    "class_bike": ("看起来是非机动车", "it looks like a bike"),
    "class_crowd": ("看起来是人群", "it looks like people"),
    "class_other": ("看起来是其他物体或光影", "it looks like something else, or light"),
    "class_stall": ("城市包没有此类", "the city pack has no class for stalls"),
    "class_waste": ("城市包没有此类", "the city pack has no class for waste"),
}
VERDICT_WORDS: dict[str, Pair] = {
    "OBJECT": ("物体", "an object"),
    "LIGHT": ("光线:地面纹理仍在", "light: the ground's texture is still there"),
    "SHADE": ("阴影:亮度按同一比例变化", "shade: darker or brighter by one ratio"),
    "GHOST": ("物体离开后的空位", "the hole that something left"),
}
ADOPTION_WORDS: dict[str, Pair] = {
    "light": ("光线", "light"),
    "shade": ("阴影", "shade"),
    "ghost": ("离开的物体", "something that left"),
    "other": ("长期确认不是摊点或垃圾", "long surely neither stall nor waste"),
    "operator_ignore": ("人工忽略", "a person said to ignore it"),
    "fixture": ("固定设施", "a fixture that belongs there"),
    "recalled": ("换用另一参考画面", "another reference picture was taken over"),
    "forgotten": ("视角太多,放弃最久未见的一个", "too many views: the one not seen for longest was given up"),
    "relearned": ("整幅画面重新学习", "the whole picture was learned anew"),
}
SCENE_WORDS: dict[str, Pair] = {
    "OK": ("正常", "fits the background"),
    "WARMING": ("正在学习背景", "the background is still being learned"),
    "CHANGED": ("画面与背景大不相同", "most of the picture differs from the background"),
    "FROZEN": ("与前一帧相同", "the frame before again"),
    "LATE": ("比前一帧更早", "older than the frame before"),
    "BLACK": ("全黑", "black"),
    "WHITE": ("全白", "white"),
    "FLAT": ("大片单色", "most of it one colour"),
    "NOISE": ("雪花", "snow"),
    "CARD": ("测试图或服务画面", "a test card or service picture"),
    "DARK": ("太暗", "too dark"),
    "BLURRED": ("模糊", "blurred"),
    "COVERED": ("镜头被遮", "the lens is covered"),
    "MOVED": ("镜头转动", "the camera was turned"),
    "PRESET": ("不在监看区域所属的预置位", "a view that its zones are not bound to"),
    "LIGHT": ("光照切换(夜间、红外)", "another light: night or infra-red"),
}
EVIDENCE_WORDS: tuple[Pair, ...] = (
    ("形状与颜色特征", "features of shape and colour"),
    ("原图小图分类", "our classifier on the original picture"),
    ("自有模型", "the operator's own model"),
)
SENTENCES: dict[str, Pair] = {
    "alert": ("报警:{family}。", "An alert for {family}."),
    "seen": ("此处有物体,这一帧没有新的报警。", "Something stands here; no alert was opened in this frame."),
    "nothing": ("此处没有发现物体。", "Nothing is seen here."),
    "stood": (
        "已停留 {dwell} 秒(自 {since};要求 {asked} 秒)。",
        "It stood {dwell} s, since {since}; {asked} s are asked.",
    ),
    "because": ("{name} {share:.2f},因为:{why}。", "{name} {share:.2f}, because of {why}."),
    "plain": ("{name} {share:.2f}。", "{name} {share:.2f}."),
    "against": ("不利之处:{why}。", "Against it: {why}."),
    "next": ("次可能:{name} {share:.2f}。", "Nearest other class: {name} {share:.2f}."),
    "carried": ("类别依据:{what}。", "The class was carried by {what}."),
    "opinions": (
        "形状特征:{name} {shape:.2f};{pieces} 张原图小图:{crop:.2f}。",
        "Features of shape and colour say {name} {shape:.2f}, pieces of the original ({pieces}) say {crop:.2f}.",
    ),
    "event": ("事件 {number} {kind}{label}:", "event {number}, {kind}{label}: "),
    "reported": ("{when} 报警,类别 {name}。", "reported as {name} at {when}."),
    "missed": ("未报警。", "not reported. "),
    "too_short": ("未报警(停留不足 {asked} 秒,不计漏检)。", "shorter than the dwell of {asked} s, so not missed. "),
    "longest": ("停留最久者判为{name}。", "What stood there longest was taken for {name}. "),
    "asked": ("{when}(第 {frame} 帧):", "At {when} (frame {frame}): "),
    "place": ("第 {frame} 帧,{when}", "frame {frame}, {when}"),
    "after": ("首帧后{span}", "{span} after the first frame"),
    "maturing": ("停留时间未到。", "It has not reached its dwell."),
    "would": ("停留满后会报警。", "Once its dwell is reached it is an alert."),
    "would_not": ("不会报警,因为{why}。", "It would not be an alert, because {why}."),
    "was_open": (
        "属于 {when} 已在此处立案的报警,因此没有新的报警。",
        "It is part of the alert that was opened here at {when}, so no new one is.",
    ),
    "merged": (
        "属于同一地点已有的报警,因此没有新的报警。",
        "It is part of an alert that is open at the same site, so no new one is.",
    ),
    "gone": ("物体刚离开。", "It has just left."),
    "hidden": ("此刻被遮挡。", "It is hidden in this frame."),
    "scene": ("这一帧:{what}。", "This frame: {what}."),
    "suspended": ("画面恢复前不作检测。", "Nothing is detected until the picture is the street again."),
    "learning": (
        "背景尚在学习;此前已在此处的物体属于背景。",
        "The background is still being learned; whatever stands here already is part of it.",
    ),
    "same": (
        "此处与背景相同(差 {grey:.0f} 级,需 {asked}):没有新物体,或一直在此,或已并入背景。",
        "Nothing new: {grey:.0f} of {asked} levels off its background. It never came, always stood, or was adopted.",
    ),
    "young": (
        "有变化,但只得到 {votes:.0f} 秒的票(需 {asked:.0f} 秒;须在一半以上时间可见)。",
        "Something differs, but has {votes:.0f} s of votes of {asked:.0f}; it must be seen more than half of the time.",
    ),
    "arriving": (
        "这一帧里有东西,但停留不够久,尚未取代原来的画面。",
        "Something is in this frame, but not long enough yet to replace what stood here before.",
    ),
    "small": (
        "停留的部分只有 {area:.0f} 像素(需 {asked:.0f})。",
        "What stands covers {area:.0f} grid px; {asked:.0f} are asked.",
    ),
    "judged": ("停留的部分判定为{what}。", "What stands was judged to be {what}."),
    "thin": (
        "停留且不同的像素连不成一块。",
        "The pixels that stood and differ do not make one region here.",
    ),
    "outside": (
        "此处在监看区域之外({share:.0%})。",
        "The place is outside the zones ({share:.0%} of its foot inside).",
    ),
    "adopted": ("{when} 此处并入背景:{what}。", "At {when} a region here was taken into the background: {what}."),
    "more": ("此前还有 {count} 次,见页面。", "There were {count} more before; the page lists them."),
    "unlooked": ("尚未分类。", "It has not been classed yet."),
}


def say(key: str, lang: Lang, **values: object) -> str:
    """One sentence with its values."""
    return SENTENCES[key][lang == "en"].format(**values)


def word(words: dict[str, Pair], key: str, lang: Lang) -> str:
    """A name in the reader's language; one that is not known as it is."""
    return words[key][lang == "en"] if key in words else key
