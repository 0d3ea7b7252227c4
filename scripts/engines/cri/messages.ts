/**
 * The calls and messages of the Kubernetes container runtime interface that the checks use: names, field numbers and types as in
 * runtime.v1 of k8s.io/cri-api. `int` is any integer, `string` also bytes, `map` from string to string.
 */

/** A field's number and type. */
export type Field = readonly [number: number, type: string, repeated?: 'repeated']
/** Fields by name. */
export type Message = Readonly<Record<string, Field>>

const ID = { id: [1, 'string'] } as const satisfies Message

export const messages: Readonly<Record<string, Message>> = {
  Empty: {},
  PodSandboxMetadata: { name: [1, 'string'], uid: [2, 'string'], namespace: [3, 'string'], attempt: [4, 'int'] },
  PortMapping: { protocol: [1, 'int'], container_port: [2, 'int'], host_port: [3, 'int'] },
  IDMapping: { host_id: [1, 'int'], container_id: [2, 'int'], length: [3, 'int'] },
  NamespaceOption: { network: [1, 'int'], pid: [2, 'int'], ipc: [3, 'int'], target_id: [4, 'string'] },
  SecurityProfile: { profile_type: [1, 'int'], localhost_ref: [2, 'string'] },
  Int64Value: { value: [1, 'int'] },
  LinuxSandboxSecurityContext: { namespace_options: [1, 'NamespaceOption'], privileged: [6, 'bool'], seccomp: [9, 'SecurityProfile'] },
  LinuxPodSandboxConfig: { cgroup_parent: [1, 'string'], security_context: [2, 'LinuxSandboxSecurityContext'], sysctls: [3, 'map'] },
  PodSandboxConfig: {
    metadata: [1, 'PodSandboxMetadata'],
    hostname: [2, 'string'],
    log_directory: [3, 'string'],
    port_mappings: [5, 'PortMapping', 'repeated'],
    labels: [6, 'map'],
    annotations: [7, 'map'],
    linux: [8, 'LinuxPodSandboxConfig']
  },
  RunPodSandboxRequest: { config: [1, 'PodSandboxConfig'], runtime_handler: [2, 'string'] },
  Id: ID,
  PodSandboxNetworkStatus: { ip: [1, 'string'] },
  PodSandboxStatus: { id: [1, 'string'], state: [3, 'int'], network: [5, 'PodSandboxNetworkStatus'], runtime_handler: [9, 'string'] },
  PodSandboxStatusResponse: { status: [1, 'PodSandboxStatus'] },
  PodSandbox: { id: [1, 'string'], state: [3, 'int'] },
  ListPodSandboxResponse: { items: [1, 'PodSandbox', 'repeated'] },
  ContainerMetadata: { name: [1, 'string'], attempt: [2, 'int'] },
  ImageSpec: { image: [1, 'string'] },
  KeyValue: { key: [1, 'string'], value: [2, 'string'] },
  Mount: { container_path: [1, 'string'], host_path: [2, 'string'], readonly: [3, 'bool'], propagation: [5, 'int'] },
  LinuxContainerResources: {
    cpu_period: [1, 'int'],
    cpu_quota: [2, 'int'],
    cpu_shares: [3, 'int'],
    memory_limit_in_bytes: [4, 'int'],
    oom_score_adj: [5, 'int'],
    cpuset_cpus: [6, 'string']
  },
  Capability: { add_capabilities: [1, 'string', 'repeated'], drop_capabilities: [2, 'string', 'repeated'] },
  LinuxContainerSecurityContext: {
    capabilities: [1, 'Capability'],
    privileged: [2, 'bool'],
    namespace_options: [3, 'NamespaceOption'],
    run_as_user: [5, 'Int64Value'],
    run_as_username: [6, 'string'],
    readonly_rootfs: [7, 'bool'],
    supplemental_groups: [8, 'int', 'repeated'],
    no_new_privs: [11, 'bool'],
    run_as_group: [12, 'Int64Value'],
    masked_paths: [13, 'string', 'repeated'],
    readonly_paths: [14, 'string', 'repeated'],
    seccomp: [15, 'SecurityProfile']
  },
  LinuxContainerConfig: { resources: [1, 'LinuxContainerResources'], security_context: [2, 'LinuxContainerSecurityContext'] },
  ContainerConfig: {
    metadata: [1, 'ContainerMetadata'],
    image: [2, 'ImageSpec'],
    command: [3, 'string', 'repeated'],
    args: [4, 'string', 'repeated'],
    working_dir: [5, 'string'],
    envs: [6, 'KeyValue', 'repeated'],
    mounts: [7, 'Mount', 'repeated'],
    annotations: [10, 'map'],
    log_path: [11, 'string'],
    stdin: [12, 'bool'],
    stdin_once: [13, 'bool'],
    tty: [14, 'bool'],
    linux: [15, 'LinuxContainerConfig']
  },
  CreateContainerRequest: { pod_sandbox_id: [1, 'string'], config: [2, 'ContainerConfig'], sandbox_config: [3, 'PodSandboxConfig'] },
  StopContainerRequest: { id: [1, 'string'], timeout: [2, 'int'] },
  ContainerStatus: { id: [1, 'string'], state: [3, 'int'], exit_code: [7, 'int'], reason: [10, 'string'], message: [11, 'string'] },
  ContainerStatusResponse: { status: [1, 'ContainerStatus'] },
  Container: { id: [1, 'string'], pod_sandbox_id: [2, 'string'], state: [6, 'int'] },
  ListContainersResponse: { containers: [1, 'Container', 'repeated'] },
  ExecSyncRequest: { id: [1, 'string'], cmd: [2, 'string', 'repeated'], timeout: [3, 'int'] },
  ExecSyncResponse: { stdout: [1, 'string'], stderr: [2, 'string'], exit_code: [3, 'int'] },
  ExecRequest: {
    id: [1, 'string'],
    cmd: [2, 'string', 'repeated'],
    tty: [3, 'bool'],
    stdin: [4, 'bool'],
    stdout: [5, 'bool'],
    stderr: [6, 'bool']
  },
  AttachRequest: { id: [1, 'string'], stdin: [2, 'bool'], tty: [3, 'bool'], stdout: [4, 'bool'], stderr: [5, 'bool'] },
  PortForwardRequest: { id: [1, 'string'], port: [2, 'int', 'repeated'] },
  Url: { url: [1, 'string'] },
  UInt64Value: { value: [1, 'int'] },
  CpuUsage: { usage_core_nano_seconds: [2, 'UInt64Value'] },
  MemoryUsage: { working_set_bytes: [2, 'UInt64Value'] },
  ContainerStats: { cpu: [2, 'CpuUsage'], memory: [3, 'MemoryUsage'] },
  ContainerStatsResponse: { stats: [1, 'ContainerStats'] },
  UpdateContainerResourcesRequest: { id: [1, 'string'], linux: [2, 'LinuxContainerResources'] },
  VersionResponse: { runtime_name: [2, 'string'], runtime_version: [3, 'string'] },
  RuntimeCondition: { type: [1, 'string'], status: [2, 'bool'], message: [4, 'string'] },
  RuntimeStatus: { conditions: [1, 'RuntimeCondition', 'repeated'] },
  StatusResponse: { status: [1, 'RuntimeStatus'] }
}

/** Types of request and response of each call of runtime.v1.RuntimeService. */
export const calls: Readonly<Record<string, readonly [request: string, response: string]>> = {
  Version: ['Empty', 'VersionResponse'],
  Status: ['Empty', 'StatusResponse'],
  RunPodSandbox: ['RunPodSandboxRequest', 'Id'],
  StopPodSandbox: ['Id', 'Empty'],
  RemovePodSandbox: ['Id', 'Empty'],
  PodSandboxStatus: ['Id', 'PodSandboxStatusResponse'],
  ListPodSandbox: ['Empty', 'ListPodSandboxResponse'],
  CreateContainer: ['CreateContainerRequest', 'Id'],
  StartContainer: ['Id', 'Empty'],
  StopContainer: ['StopContainerRequest', 'Empty'],
  RemoveContainer: ['Id', 'Empty'],
  ListContainers: ['Empty', 'ListContainersResponse'],
  ContainerStatus: ['Id', 'ContainerStatusResponse'],
  UpdateContainerResources: ['UpdateContainerResourcesRequest', 'Empty'],
  ExecSync: ['ExecSyncRequest', 'ExecSyncResponse'],
  Exec: ['ExecRequest', 'Url'],
  Attach: ['AttachRequest', 'Url'],
  PortForward: ['PortForwardRequest', 'Url'],
  ContainerStats: ['Id', 'ContainerStatsResponse']
}
