"""The words of a menu in each of its languages; amounts and names are put in by `str.format`."""

# ruff: noqa: RUF001 - Japanese has its own punctuation

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from tenbin_planner.menu import offers
from tenbin_planner.menu.ladder import StepName
from tenbin_spec.profiles import ProfileKind
from tenbin_spec.quantities import HOURS_A_MONTH


class Language(enum.StrEnum):
    """Languages that a menu can be written in."""

    EN = "en"
    JA = "ja"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Words:
    """All sentences of one language."""

    title: str
    subject: str
    agreement: str
    promise: str
    ttft: str
    tpot: str
    e2e: str
    between: str
    """Stands between two thresholds of a promise."""
    before_last: str
    """Stands before the last of them."""
    also: str
    also_class: str
    also_more: str
    listed: str
    """Stands between what several classes keep."""
    seconds: str
    milliseconds: str
    days: str
    hours: str
    minutes: str
    fleet: str
    replicas: str
    replica: str
    pools: str
    few: str
    """Replicas where there is little room."""
    per_month: str
    per_hour: str
    per_million: str
    not_met: str
    above_cap: str
    others: str
    step: str
    target: str
    cell: str
    terms: Mapping[str, str]
    """What thresholds are, by their names."""
    agreed_mark: str
    knee_mark: str
    no_fleet: str
    no_fleet_share: str
    no_fleet_legend: str
    capped_legend: str
    agreed_legend: str
    knee_legend: str
    no_knee: str
    steps: Mapping[StepName, str]
    beside: str
    beside_none: str
    beside_same: str
    beside_more: str
    beside_less: str
    beside_open: str
    beside_names: Mapping[str, str]
    curve: str
    curve_axis: str
    assumed: str
    declared: str
    recorded: str
    constant: str
    prices: str
    spot: str
    tokens_declared: str
    tokens_recorded: str
    good: str
    cap: str
    cap_monthly: str
    left_out: str
    lacks: Mapping[offers.Lack, str]
    both: str
    """Stands between two things that a pool lacks."""
    sureness: str
    profile: str
    kinds: Mapping[ProfileKind, str]
    stated_error: str
    no_error: str
    reached: str
    if_slower: str
    if_slower_none: str
    model: str
    more_profiles: str
    signatures: str
    choice: str
    business: str
    engineering: str
    name: str
    signature: str
    date: str


EN = Words(
    title="Service level menu",
    subject="Stack {stack}, agreement {revision}",
    agreement="What is promised",
    promise="{share} of {name} requests get {thresholds}, counted over {window}.",
    ttft="their first token within {time}",
    tpot="each further token within {time} on average",
    e2e="their whole answer within {time}",
    between=", ",
    before_last=" and ",
    also_class="{share} of {name} requests get {thresholds}",
    also_more="{n} more as agreed",
    listed="; ",
    also="Kept in every cell below: {others}.",
    seconds="{n} s",
    milliseconds="{n} ms",
    days="{n} days",
    hours="{n} hours",
    minutes="{n} minutes",
    fleet="Fleet",
    replicas="{n} replicas",
    replica="{n} replica",
    pools="{replicas} ({pools})",
    few="{n} repl.",
    per_month="USD per month",
    per_hour="USD per hour",
    per_million="USD per million output tokens",
    not_met="Cannot be met: {share} of requests are good with {largest} replicas, the most that the pools hold.",
    above_cap="Above the cap of {cap} USD per hour.",
    others="What other promises would cost",
    step="Thresholds",
    target="{share} good",
    cell="In each cell: USD per month; replicas; USD per hour (/h); USD per million output tokens (/M).",
    terms={
        "ttft_ms": "TTFT: time to the first token.",
        "tpot_ms": "TPOT: mean time of each further token.",
        "e2e_ms": "E2E: time to the end of the answer.",
    },
    agreed_mark="agreed",
    knee_mark="knee",
    no_fleet="not met",
    no_fleet_share="{share} with {largest}",
    no_fleet_legend="Not met: the share of good requests that the largest fleet of these pools reaches.",
    capped_legend="† above the cap of {cap} USD per hour.",
    agreed_legend="● as agreed.",
    knee_legend="◆ knee of the curve: faster steps cost much more, slower ones save little.",
    no_knee="The bill has no knee: over the steps that can be met it does not bend.",
    steps={
        StepName.FASTEST: "Fastest",
        StepName.FASTER: "Faster",
        StepName.AGREED: "As agreed",
        StepName.SLOWER: "Slower",
        StepName.SLOWEST: "Slowest",
    },
    beside="One step from the agreement",
    beside_none="no such step on this menu",
    beside_same="costs the same: {month} USD per month",
    beside_more="costs {difference} USD per month more: {month} with {fleet}",
    beside_less="saves {difference} USD per month: {month} with {fleet}",
    beside_open="cannot be met with {largest} replicas ({share} good)",
    beside_names={"faster": "Faster", "slower": "Slower", "stricter": "More requests", "looser": "Fewer requests"},
    curve="USD per month by step, at {share} good",
    curve_axis="faster ← → slower",
    assumed="What was assumed",
    declared="Traffic as declared: {peak} requests per second at the peak ({expected} expected), {tokens_in} tokens in "
    "and {tokens_out} out on average; {requests} Poisson arrivals at the peak were simulated.",
    recorded="Traffic as recorded: the busiest hour of {trace}, {requests} requests ({rate} per second), replayed.",
    constant=f"The fleet stands unchanged for the whole month of {HOURS_A_MONTH} hours; a fleet "
    "that follows demand normally costs less.",
    prices="Price per replica and hour in USD: {prices}. Accelerator nodes only: no network, storage or control plane.",
    spot="Interruptions of spot nodes ({pools}) are not counted.",
    tokens_declared="Tokens are those of the expected {expected} requests per second.",
    tokens_recorded="Tokens are the mean of the whole trace.",
    good="A request is good when it keeps all thresholds of its class; refused and failed ones count as missed.",
    cap="Cap: {hour} USD per hour.",
    cap_monthly="Cap: {hour} USD per hour, {month} USD per month.",
    left_out="Pool {pool} is left out, as nobody knows its {lacks}.",
    lacks={offers.Lack.PRICE: "price", offers.Lack.PROFILE: "engine profile"},
    both=" and ",
    sureness="How sure this is",
    profile="Engine profile {name} of {date}: {kind}.",
    kinds={
        ProfileKind.MEASURED: "measured on this accelerator",
        ProfileKind.VENDOR_MODEL: "derived from the vendor's performance model, not measured itself",
        ProfileKind.EXTRAPOLATED: "extrapolated from another configuration, not measured",
        ProfileKind.SYNTHETIC: "made up for tests, no real accelerator behaves like it",
    },
    stated_error="Its stated error: {error}",
    no_error="Its error is unknown: it was never held against a measurement.",
    reached="With the fleet above {share} of the simulated requests are good; the target is {target}.",
    if_slower="If the engine were 10 % slower than its profile, the agreement would need {fleet}: {month} USD per "
    "month ({difference}).",
    if_slower_none="If the engine were 10 % slower than its profile, the agreement could not be met ({share} good).",
    model="All figures come from a step-by-step simulation of the engine, each fleet with the same requests.",
    more_profiles="Other pools stand on {names}.",
    signatures="Agreed",
    choice="☐ as agreed (●)     ☐ another cell: step ______________________  target ______________",
    business="For the business",
    engineering="For engineering",
    name="Name",
    signature="Signature",
    date="Date",
)

JA = Words(
    title="サービスレベル・メニュー",
    subject="スタック {stack}　合意版 {revision}",
    agreement="合意する内容",
    promise="{name} クラスのリクエストの {share} について、{thresholds}に返します（集計期間 {window}）。",
    ttft="最初のトークンを {time}以内",
    tpot="以降の各トークンを平均 {time}以内",
    e2e="応答全体を {time}以内",
    between="、",
    before_last="、",
    also_class="{name} クラスは、リクエストの {share} について{thresholds}に返す",
    also_more="ほか {n} クラスも現行どおり",
    listed="／",
    also="下表のすべての案で併せて守る内容：{others}。",
    seconds="{n} 秒",
    milliseconds="{n} ミリ秒",
    days="{n} 日間",
    hours="{n} 時間",
    minutes="{n} 分間",
    fleet="構成",
    replicas="{n} レプリカ",
    replica="{n} レプリカ",
    pools="{replicas}（{pools}）",
    few="{n} 台",
    per_month="米ドル／月",
    per_hour="米ドル／時",
    per_million="米ドル／出力 100 万トークン",
    not_met="達成できません。プールの上限 {largest} レプリカでも、達成率は {share} にとどまります。",
    above_cap="時間当たりの費用上限 {cap} 米ドルを超えています。",
    others="他の水準を選んだ場合の費用",
    step="応答時間の水準",
    target="達成率 {share}",
    cell="各欄：月額（米ドル）、レプリカ数、1 時間当たりの費用（/h）、出力 100 万トークン当たりの費用（/M）。",
    terms={
        "ttft_ms": "TTFT：最初のトークンまでの時間。",
        "tpot_ms": "TPOT：以降の 1 トークン当たりの平均時間。",
        "e2e_ms": "E2E：応答が完了するまでの時間。",
    },
    agreed_mark="現行",
    knee_mark="屈曲点",
    no_fleet="達成不可",
    no_fleet_share="{largest} 台で {share}",
    no_fleet_legend="「達成不可」はプールの上限まで増やしても達成できない水準で、そのときの達成率を示します。",
    capped_legend="† 時間当たりの費用上限 {cap} 米ドルを超過。",
    agreed_legend="● 現行の合意。",
    knee_legend="◆ 費用の屈曲点：これより速くすると費用が大きく増え、遅くしても節約はわずかです。",
    no_knee="達成できる範囲では、費用曲線に明確な屈曲点はありません。",
    steps={
        StepName.FASTEST: "最速",
        StepName.FASTER: "高速",
        StepName.AGREED: "現行",
        StepName.SLOWER: "低速",
        StepName.SLOWEST: "最低速",
    },
    beside="現行から一段変えた場合",
    beside_none="該当する段はありません",
    beside_same="費用は変わりません（月額 {month} 米ドル）",
    beside_more="月額 {difference} 米ドルの増加：{fleet}、月額 {month} 米ドル",
    beside_less="月額 {difference} 米ドルの削減：{fleet}、月額 {month} 米ドル",
    beside_open="{largest} レプリカでも達成できません（達成率 {share}）",
    beside_names={
        "faster": "より速く",
        "slower": "より遅く",
        "stricter": "達成率を上げる",
        "looser": "達成率を下げる",
    },
    curve="水準ごとの月額（米ドル）、達成率 {share} の場合",
    curve_axis="速い ← → 遅い",
    assumed="前提条件",
    declared="トラフィック（申告値）：ピーク時 毎秒 {peak} リクエスト（通常 {expected}）、"
    "平均入力 {tokens_in} トークン、平均出力 {tokens_out} トークン。"
    "ピーク時のポアソン到着 {requests} 件をシミュレーションしました。",
    recorded="トラフィック（実績値）：{trace} の最も混雑した 1 時間、{requests} 件（毎秒 {rate} 件）を"
    "そのまま再現しました。",
    constant=f"1 か月（{HOURS_A_MONTH} 時間）を通して構成を固定した場合の費用です。"
    "需要に応じて増減させれば、通常はこれより安くなります。",
    prices="1 レプリカ 1 時間当たりの単価（米ドル）：{prices}。アクセラレーターのノードのみで、"
    "通信・ストレージ・管理基盤は含みません。",
    spot="スポットノード（{pools}）の中断は考慮していません。",
    tokens_declared="トークン数は、通常時の毎秒 {expected} リクエストで計算しています。",
    tokens_recorded="トークン数は、記録全体の平均です。",
    good="クラスのしきい値をすべて満たしたリクエストだけを達成と数え、拒否・失敗は未達に含めます。",
    cap="費用の上限：1 時間当たり {hour} 米ドル。",
    cap_monthly="費用の上限：1 時間当たり {hour} 米ドル、月額 {month} 米ドル。",
    left_out="プール {pool} は、{lacks}が不明のため除外しました。",
    lacks={offers.Lack.PRICE: "価格", offers.Lack.PROFILE: "性能プロファイル"},
    both="と",
    sureness="見積もりの確かさ",
    profile="エンジンの性能プロファイル {name}（{date}）：{kind}。",
    kinds={
        ProfileKind.MEASURED: "このアクセラレーターでの実測値",
        ProfileKind.VENDOR_MODEL: "ベンダーの性能モデルによる推定値（実測なし）",
        ProfileKind.EXTRAPOLATED: "別の構成からの外挿値（実測なし）",
        ProfileKind.SYNTHETIC: "テスト用の架空の値（実在のアクセラレーターの性能ではありません）",
    },
    stated_error="記載された誤差（原文）：{error}",
    no_error="誤差は不明です（実測との照合なし）。",
    reached="上記の構成では、シミュレーションの達成率は {share} です（目標 {target}）。",
    if_slower="エンジンがプロファイルより 10 % 遅い場合、現行の合意には {fleet} が必要で、月額 {month} 米ドル"
    "（{difference}）になります。",
    if_slower_none="エンジンがプロファイルより 10 % 遅い場合、現行の合意は達成できません（達成率 {share}）。",
    model="数値はすべて、エンジンの動作を 1 ステップずつ再現するシミュレーションによるものです。"
    "どの構成にも同じリクエストを与えています。",
    more_profiles="その他のプールのプロファイル：{names}。",
    signatures="合意",
    choice="☐ 現行のとおり（●）　　☐ 別の案：水準 ____________________　達成率 ______________",
    business="事業部門",
    engineering="開発・運用部門",
    name="氏名",
    signature="署名",
    date="日付",
)

WORDS = {Language.EN: EN, Language.JA: JA}
