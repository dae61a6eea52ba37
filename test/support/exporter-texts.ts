/** Texts as the exporters write them, with what a test changes as numbers. */
export interface NodeState {
  /** Seconds since the start that each of two processors was busy and idle. */
  readonly busySeconds: number;
  readonly idleSeconds: number;
  readonly availableBytes: number;
  readonly diskFreeBytes: number;
}

export function nodeExporterText({ busySeconds, idleSeconds, availableBytes, diskFreeBytes }: NodeState): string {
  const cpu = [0, 1].flatMap((at) => [
    `node_cpu_seconds_total{cpu="${at}",mode="idle"} ${idleSeconds - 1.28}`,
    `node_cpu_seconds_total{cpu="${at}",mode="iowait"} 1.28`,
    `node_cpu_seconds_total{cpu="${at}",mode="irq"} 0`,
    `node_cpu_seconds_total{cpu="${at}",mode="nice"} ${busySeconds * 0.25}`,
    `node_cpu_seconds_total{cpu="${at}",mode="softirq"} 0`,
    `node_cpu_seconds_total{cpu="${at}",mode="steal"} 0`,
    `node_cpu_seconds_total{cpu="${at}",mode="system"} ${busySeconds * 0.25}`,
    `node_cpu_seconds_total{cpu="${at}",mode="user"} ${busySeconds * 0.5}`,
  ]);
  return `# HELP go_gc_duration_seconds A summary of the pause duration of garbage collection cycles.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} 1.1302e-05
go_gc_duration_seconds{quantile="1"} 0.000342122
go_gc_duration_seconds_count 41
# HELP node_cpu_guest_seconds_total Seconds the CPUs spent in guests (VMs) for each mode.
# TYPE node_cpu_guest_seconds_total counter
node_cpu_guest_seconds_total{cpu="0",mode="nice"} 0
# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.
# TYPE node_cpu_seconds_total counter
${cpu.join('\n')}
# HELP node_filesystem_avail_bytes Filesystem space available to non-root users in bytes.
# TYPE node_filesystem_avail_bytes gauge
node_filesystem_avail_bytes{device="/dev/nvme0n1p2",fstype="ext4",mountpoint="/"} ${diskFreeBytes.toExponential()}
node_filesystem_avail_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 1.6e+09
# HELP node_filesystem_size_bytes Filesystem size in bytes.
# TYPE node_filesystem_size_bytes gauge
node_filesystem_size_bytes{device="/dev/nvme0n1p2",fstype="ext4",mountpoint="/"} 5e+11
node_filesystem_size_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 1.6e+09
# HELP node_memory_MemAvailable_bytes Memory information field MemAvailable_bytes.
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes ${availableBytes.toExponential()}
# HELP node_memory_MemTotal_bytes Memory information field MemTotal_bytes.
# TYPE node_memory_MemTotal_bytes gauge
node_memory_MemTotal_bytes 6.7444989952e+10
# HELP node_uname_info Labeled system information as provided by the uname system call.
# TYPE node_uname_info gauge
node_uname_info{domainname="(none)",machine="x86_64",nodename="gpu-1",release="6.1.0",sysname="Linux",version="#1 SMP"} 1
`;
}

export interface GpuState {
  readonly busyPercent: number;
  readonly usedMiB: number;
  readonly xid: number;
  /** Null: not exported, as by default. */
  readonly throttleReasons: number | null;
}

export function dcgmExporterText(gpus: readonly GpuState[]): string {
  const labels = (at: number): string =>
    `gpu="${at}",UUID="GPU-9c1e3f0a-000${at}",pci_bus_id="00000000:0${at}:00.0",device="nvidia${at}",` +
    'modelName="NVIDIA A10",Hostname="gpu-1",DCGM_FI_DRIVER_VERSION="535.183.01"';
  const of = (name: string, help: string, value: (gpu: GpuState) => number | null): string => {
    const series = gpus.flatMap((gpu, at) => {
      const found = value(gpu);
      return found === null ? [] : [`${name}{${labels(at)}} ${found}`];
    });
    return series.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${series.join('\n')}\n`;
  };
  return [
    of('DCGM_FI_DEV_SM_CLOCK', 'SM clock frequency (in MHz).', () => 1_695),
    of('DCGM_FI_DEV_GPU_TEMP', 'GPU temperature (in C).', () => 58),
    of('DCGM_FI_DEV_POWER_USAGE', 'Power draw (in W).', () => 121.5),
    of('DCGM_FI_DEV_GPU_UTIL', 'GPU utilization (in %).', ({ busyPercent }) => busyPercent),
    of('DCGM_FI_DEV_MEM_COPY_UTIL', 'Memory utilization (in %).', () => 11),
    of('DCGM_FI_DEV_XID_ERRORS', 'Value of the last XID error encountered.', ({ xid }) => xid),
    of('DCGM_FI_DEV_FB_FREE', 'Framebuffer memory free (in MiB).', ({ usedMiB }) => 23_028 - usedMiB),
    of('DCGM_FI_DEV_FB_USED', 'Framebuffer memory used (in MiB).', ({ usedMiB }) => usedMiB),
    of(
      'DCGM_FI_DEV_CLOCK_THROTTLE_REASONS',
      'Current clock throttle reasons (bitmask of DCGM_CLOCKS_THROTTLE_REASON_*).',
      ({ throttleReasons }) => throttleReasons,
    ),
  ].join('');
}
