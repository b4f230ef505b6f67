"""Shapes of the agreement as programs write it: a TypedDict for each model of `tenbin_spec`, field by field.

The models behind them say what is allowed, and parse these on a component's first line. TypedDicts, since arguments of
a component package arrive as plain mappings from every language; their members are plain, since layouts decide on
them. Annotations here are read at run time, which the usual deferral of annotations would prevent.
"""

from typing import NotRequired, TypedDict


class SecretKeyConfig(TypedDict):
    """One key of an existing Kubernetes Secret."""

    secret: str
    """Name of the Secret in the service's namespace."""
    key: str
    """Key in the Secret."""


class ModelConfig(TypedDict):
    """The model that is served."""

    id: str
    """Name in the hub, `organisation/name`."""
    revision: NotRequired[str]
    """Commit or tag of the weights."""
    credentials: NotRequired[SecretKeyConfig]
    """Token for gated weights, mounted as a file."""


class EngineConfig(TypedDict):
    """How the engine runs; what is absent is the engine's own default."""

    kind: str
    """`vllm` or `simulated`."""
    image: str
    """Container image with a tag or a digest."""
    tensor_parallel: NotRequired[int]
    """Accelerators that each layer is split over."""
    pipeline_parallel: NotRequired[int]
    """Stages that the layers are divided into, each on `tensor_parallel` accelerators."""
    nodes_per_replica: NotRequired[int]
    """Nodes that one replica spans; more than one are taken whole."""
    max_model_len: int
    """Longest prompt plus answer, in tokens."""
    max_num_seqs: NotRequired[int]
    """Sequences in one batch at most."""
    max_num_batched_tokens: NotRequired[int]
    """Tokens in one forward pass at most."""
    max_num_queued_reqs: NotRequired[int]
    """Requests that wait in the engine at most."""
    gpu_memory_utilization: NotRequired[str]
    """Share of the accelerator's memory that the engine takes, for example "0.9"."""
    drain_s: NotRequired[int]
    """Seconds that running requests are given to finish when a replica stops."""
    profile: NotRequired[str]
    """Name of the engine profile in the catalogue."""
    time_scale: NotRequired[float]
    """Simulated engine only: factor on all of its times."""


class ReplicaRangeConfig(TypedDict):
    """How many replicas a service may have over all of its pools."""

    min: int
    max: int
    on_demand_min: NotRequired[int]
    """Replicas of the minimum that never run on spot pools."""


class ObjectiveConfig(TypedDict):
    """What one request class is promised; at least one threshold."""

    target: str
    """Share of requests that must keep all thresholds, for example "0.99"."""
    ttft_ms: NotRequired[int]
    """Longest time to first token, in milliseconds."""
    tpot_ms: NotRequired[int]
    """Longest time per output token after the first, in milliseconds."""
    e2e_ms: NotRequired[int]
    """Longest end-to-end time, in milliseconds."""


class SloConfig(TypedDict):
    """The objectives of a service by request class."""

    window: str
    """Span over which attainment is counted, for example "30d"."""
    classes: dict[str, ObjectiveConfig]
    """Objectives by request class."""
    default_class: NotRequired[str]
    """Class of a request that names none; needed with more than one class."""
    client_choice: NotRequired[list[str]]
    """Classes that clients may choose by header; all of them when absent."""


class RateConfig(TypedDict):
    """Requests per second."""

    expected: float
    """Mean over an ordinary day."""
    peak: float
    """Highest rate that is to be served within the objectives."""


class LengthsConfig(TypedDict):
    """Distribution of a token count."""

    mean: int
    p95: int


class WorkloadConfig(TypedDict):
    """Traffic that the service is planned for before there is any."""

    requests_per_second: RateConfig
    input_tokens: LengthsConfig
    output_tokens: LengthsConfig


class CostCapConfig(TypedDict):
    """Money limit, in US dollars written as strings."""

    hourly_usd: str
    """Never exceeded by a plan, for example "30.00"."""
    monthly_usd: NotRequired[str]
    """Paced over the month."""


class GuardConfig(TypedDict):
    """Who hears of a bill on AWS that leaves the cost cap or its own habits; nobody is told when empty."""

    emails: NotRequired[list[str]]
    """Addresses that are told; of anomalies once a day."""
    sns_topic: NotRequired[str]
    """ARN of a topic that is told, of anomalies at once."""
    spent_percent: NotRequired[list[int]]
    """Shares of the month's cap that are told once they are spent: 50, 80 and 100 by default."""
    forecast_percent: NotRequired[list[int]]
    """Shares of the month's cap that are told once the month is expected to reach them: 100 by default."""
    anomaly_usd: NotRequired[str]
    """Unexpected cost in all from which an anomaly is told: "100.00" by default."""
    activate_tags: NotRequired[bool]
    """Activate the stack's tags for cost allocation: from the account that pays, and not before they are on a bill."""


class ServiceConfig(TypedDict):
    """One model, its engine, where it may run, what it promises and what it may cost."""

    model: ModelConfig
    engine: EngineConfig
    pools: list[str]
    """Pools that its replicas may run on; preference follows price, not order."""
    replicas: ReplicaRangeConfig
    slo: SloConfig
    workload: WorkloadConfig
    cost: NotRequired[CostCapConfig]
    priority: NotRequired[int]
    """Where money is short, a missed request counts so many times as one of a service of priority 1."""


class NodeRangeConfig(TypedDict):
    """How many nodes a pool may have."""

    min: NotRequired[int]
    max: int


class PoolConfig(TypedDict):
    """Nodes of one instance type and one capacity type."""

    instance_type: str
    """Instance type from the catalogue."""
    capacity_type: NotRequired[str]
    """`on-demand`, `spot`, `reservation` or `capacity-block`."""
    nodes: NodeRangeConfig
    region: NotRequired[str]
    """Region whose price counts."""
    zones: NotRequired[list[str]]
    """Zones of the nodes; the cluster's own choice when empty."""
    hourly_usd: NotRequired[str]
    """Price of one node for an hour; overrides the catalogue."""
    priced_on: NotRequired[str]
    """Day of that price, so that its age can be judged."""
    lead_time_s: NotRequired[int]
    """Prior for the time from asking for a replica until it serves, in seconds."""
    backend: NotRequired[str]
    """Who makes the nodes, on a cluster of kind `eks`: `managed` (a node group) or `karpenter`."""
    capacity_reservation: NotRequired[str]
    """Id of the reservation or capacity block that the nodes are taken from."""
    efa: NotRequired[bool]
    """Whether the nodes have Elastic Fabric Adapters, for replicas that span nodes."""
    placement: NotRequired[str]
    """Whether the nodes lie close together: `none`, `cluster` (a group of the pool's own) or `existing`."""
    placement_group: NotRequired[str]
    """Name of the group of `placement: existing`."""
    nvme: NotRequired[str]
    """What the nodes do with their NVMe disks: `raid0` or `none`."""
    volume_gb: NotRequired[int]
    """Size of a node's root volume in GiB."""
    ami_release: NotRequired[str]
    """Release of the machine image; the newest when absent."""


class NetworkConfig(TypedDict):
    """A VPC with three subnets in each zone: public (ways in and out), private (nodes), intra (the control plane)."""

    cidr: NotRequired[str]
    """Its addresses; they cannot be changed later."""
    zones: list[str]
    """Availability zones; only ever add at the end."""
    private_prefix: NotRequired[int]
    """Prefix length of a private subnet; every pod has an address there."""
    public_prefix: NotRequired[int]
    """Prefix length of a public subnet."""
    intra_prefix: NotRequired[int]
    """Prefix length of an intra subnet, which has no way out."""
    nat: NotRequired[str]
    """NAT gateways: one in each `zone`, a `single` one, or `none`."""
    endpoints: NotRequired[list[str]]
    """Services reached inside the VPC, besides S3, which always is."""
    flow_log_days: NotRequired[int]
    """Days that records of all connections are kept; 0 keeps them for ever."""


class SystemNodesConfig(TypedDict):
    """Nodes without accelerators, for the cluster's own programs, the gateway, the picker and the planner."""

    instance_types: NotRequired[list[str]]
    """Instance types of one architecture, in order of preference."""
    nodes: NotRequired[NodeRangeConfig]
    volume_gb: NotRequired[int]
    """Size of the root volume in GiB."""


class PricesConfig(TypedDict):
    """Where prices come from that are newer than the catalogue's."""

    file: NotRequired[str]
    """File that `tenbin prices refresh` wrote, named from the project's folder."""


class ClusterConfig(TypedDict):
    """The Kubernetes cluster: an existing one, or one on EKS with a network of its own."""

    kind: str
    """`existing`: any cluster that the ambient kubeconfig reaches. `eks`: one that the stack builds."""
    namespace: NotRequired[str]
    """Namespace that everything of the stack lives in."""
    context: NotRequired[str]
    """Of `existing`: context of the kubeconfig; its current one when absent."""
    name: NotRequired[str]
    """Of `eks`: name of the cluster, which can never be changed; `tenbin-<stack>` when absent."""
    version: NotRequired[str]
    """Of `eks`, required: version of Kubernetes, for example "1.35"."""
    owner: NotRequired[str]
    """Of `eks`, required: who pays, a tag of every resource."""
    network: NotRequired[NetworkConfig]
    """Of `eks`, required: the network that it lies in."""
    administrators: NotRequired[list[str]]
    """Of `eks`, required: ARNs of the roles and users that administer it, whoever runs `pulumi up` among them."""
    public_cidrs: NotRequired[list[str]]
    """Of `eks`: ranges from which the API server is reached over the internet; none when empty."""
    kms_key: NotRequired[str]
    """Of `eks`: ARN of the key that encrypts Kubernetes secrets; one that AWS owns when absent."""
    log_days: NotRequired[int]
    """Of `eks`: days that the control plane's logs are kept."""
    deletion_protection: NotRequired[bool]
    """Of `eks`: whether the cluster refuses to be deleted."""
    auto_mode: NotRequired[bool]
    """Of `eks`: let EKS run the nodes, for a fee on top of each instance."""
    karpenter: NotRequired[bool]
    """Of `eks`: run Karpenter on the system nodes, for the pools with `backend: karpenter`."""
    system_nodes: NotRequired[SystemNodesConfig]
    """Of `eks`: nodes for all that needs no accelerator."""
    addons: NotRequired[dict[str, str]]
    """Of `eks`: versions of add-ons that override those of the catalogue, by name."""


class GrowthLimitConfig(TypedDict):
    """How much more a stack may be expected to cost; whichever is reached first counts."""

    monthly_usd: NotRequired[str]
    """USD a month more."""
    percent: NotRequired[float]
    """Per cent more."""


class ReviewConfig(TypedDict):
    """Limits of `tenbin cost diff`."""

    approval: NotRequired[GrowthLimitConfig]
    """Beyond it somebody must agree to the change."""
    refusal: NotRequired[GrowthLimitConfig]
    """Beyond it the change is refused, whoever agrees."""
    expected_monthly_usd: NotRequired[str]
    """A stack that is expected to cost more a month is refused, whoever agrees."""


class CertificateConfig(TypedDict):
    """What the gateway proves itself with, one of the two."""

    secret: NotRequired[str]
    """Secret of type `kubernetes.io/tls`: the gateway itself ends TLS, and takes a renewed one without a restart."""
    acm: NotRequired[str]
    """ARN of a certificate of AWS Certificate Manager: the load balancer ends TLS."""


class ApiKeysConfig(TypedDict):
    """API keys, sent as `Authorization: Bearer <key>`."""

    secret: str
    """Secret with one API key under each client's name; a changed one counts within seconds."""
    clients: list[str]
    """Clients that are let in; the name becomes the request's tenant."""


class ClientsConfig(TypedDict):
    """How clients from outside the cluster say who they are: by certificate, by API key, or by both."""

    api_keys: NotRequired[ApiKeysConfig]
    """API keys."""
    authority_secret: NotRequired[str]
    """Secret whose key `ca.crt` holds the authorities that clients' certificates must come from (mutual TLS)."""


class GatewayConfig(TypedDict):
    """The proxy in front of the engines, and the picker that tells it their addresses."""

    image: NotRequired[str]
    picker_image: NotRequired[str]
    replicas: NotRequired[int]
    exposure: NotRequired[str]
    """`cluster`: reachable inside the cluster only. `internal`: by a load balancer inside the network as well.
    `public`: by one that faces the internet."""
    certificate: NotRequired[CertificateConfig]
    """What the way in from outside the cluster proves itself with; there is no such way without TLS."""
    allowed_cidrs: NotRequired[list[str]]
    """Ranges that the load balancer takes connections from; an internal one from its own network when empty."""
    clients: NotRequired[ClientsConfig]
    """How clients from outside the cluster say who they are."""
    load_balancer_class: NotRequired[str]
    """Controller that makes the load balancer; Auto Mode's own there, else that of EKS itself, when absent."""


class EngineMetricsConfig(TypedDict):
    """Where the planner reads what engines say of themselves."""

    source: NotRequired[str]
    """`scrape` (default): the engines; `prometheus`: a Prometheus that scrapes them."""
    url: NotRequired[str]
    """Address of the Prometheus."""
    scrape_interval_s: NotRequired[int]
    """Seconds between two scrapes of an engine by that Prometheus."""
    labels: NotRequired[dict[str, str]]
    """Labels that tell this cluster's series from those of others in the same Prometheus."""


class PlannerConfig(TypedDict):
    """How the planner runs."""

    enabled: NotRequired[bool]
    """Without a planner each service runs its minimum."""
    image: NotRequired[str]
    interval_s: NotRequired[int]
    """Seconds between two decisions."""
    dry_run: NotRequired[bool]
    """Decide and explain, but change nothing."""
    metrics: NotRequired[EngineMetricsConfig]
    """Where it reads what engines say of themselves."""


class ImagesConfig(TypedDict):
    """Where nodes pull images from."""

    mirrors: NotRequired[dict[str, str]]
    """What stands in for a registry, by its name, for example "docker.io"."""


class ObservabilityConfig(TypedDict):
    """What the stack tells a monitoring system."""

    scrape_annotations: NotRequired[bool]
    """Put `prometheus.io/*` annotations on pods."""
    monitoring: NotRequired[str]
    """Alerts from the objectives and a dashboard: `off` (default), `annotations` as files in ConfigMaps,
    `prometheus-operator` as its objects, with what it is to scrape."""
