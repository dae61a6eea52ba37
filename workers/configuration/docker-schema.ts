import { z } from 'zod';
import { duration, path, size, versionName } from './fields';

/** What `serving` has with `runtime: docker`; there is no other way to say how a container is made. */
const imageText = z
  .string('an image by its digest')
  .regex(
    /^(?:[a-z0-9][a-z0-9._:/-]*@)?sha256:[0-9a-f]{64}$/,
    'an image by what it is: NAME@sha256:… of a registry, or the id sha256:… that `docker image inspect --format {{.Id}} NAME` says; a tag may be moved under a running service',
  );

const image = z.union(
  [
    imageText,
    /** Loaded where the engine does not have it: what `docker save` wrote of this id. */
    z.strictObject({ id: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'the id sha256:… of the image'), archive: path }),
  ],
  'NAME@sha256:…, sha256:…, or {id: sha256:…, archive: FILE}',
);

/** Options of Docker that would open the host, or take a decision away from lastgood; each refusal says why. */
function refused(why: string) {
  return z.never({ error: `nothing: refused, ${why}` }).optional();
}

const refusedOptions = {
  privileged: refused('a privileged container owns the host'),
  volumes: refused(
    'the only path of the host in a container is the verified artifact; build other files into the image',
  ),
  binds: refused('the only path of the host in a container is the verified artifact; build other files into the image'),
  mounts: refused(
    'the only path of the host in a container is the verified artifact; build other files into the image',
  ),
  devices: refused('a device is a door to the host; GPUs are asked for by gpus'),
  pid: refused('the processes of the host are none of its business'),
  ipc: refused('shared memory with others is a door; its own size is sharedMemory'),
  userns: refused('it would be root of the host'),
  securityOpt: refused('no-new-privileges and the default profiles stay'),
  restart: refused('the engine would bring back a version that was rolled back from; lastgood starts what died'),
  restartPolicy: refused('the engine would bring back a version that was rolled back from; lastgood starts what died'),
  name: refused('containers are found by label and image, and every copy needs a name of its own'),
  containerName: refused('containers are found by label and image, and every copy needs a name of its own'),
  labels: refused('lastgood writes the labels by which it finds its containers'),
  ports: refused('the port in the container is port; the one of the host is any free one'),
  autoRemove: refused('the log of a copy that died is evidence'),
};

const capabilityNames = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'IPC_LOCK',
  'NET_BIND_SERVICE',
  'SETGID',
  'SETUID',
  'SYS_NICE',
] as const;
const inside = z
  .string('a path in the container')
  .regex(/^\/[^\0]*[^\0/]$/, 'an absolute path in the container, not /');

const tlsFiles = z.strictObject({ caFile: path, certFile: path, keyFile: path });
const hostName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$/, 'a host name or an address');

/** Where the engine is. */
const engineAt = z
  .strictObject({
    /** Rootless engines have theirs at $XDG_RUNTIME_DIR/docker.sock. */
    socket: path.optional(),
    host: hostName.optional(),
    port: z.int().min(1).max(65_535).prefault(2376),
    tls: tlsFiles.optional(),
    tlsVerify: refused('TLS is always verified, both ways'),
    /** Host at which published ports are reached from here. */
    reachedAt: hostName.optional(),
    /** Address of the engine's host at which ports are published. */
    publishAt: hostName.optional(),
    /** Where the engine's host has the directory of the artifacts. */
    artifacts: inside.optional(),
  })
  .prefault({});

export const dockerFields = {
  docker: engineAt,
  image,
  /** Versions that need another image than the others. */
  images: z.record(versionName, image).prefault({}),
  entrypoint: z.array(z.string().min(1)).min(1).optional(),
  /** Arguments; `{artifact}`, `{port}`, `{instance}`, `{digest}` are replaced, in `env` too. No shell. */
  command: z.array(z.string()).prefault([]),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable'), z.string())
    .prefault({}),
  user: z
    .string()
    .regex(/^(\d{1,7}(:\d{1,7})?|[a-z_][a-z0-9_-]{0,31})$/, 'a user of the image, uid or uid:gid')
    .optional(),
  network: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, 'bridge, host, or the name of a network of the engine')
    .refine((name) => name !== 'none', 'a network: nobody could ask a copy without one')
    .prefault('bridge'),
  port: z.int().min(1).max(65_535).optional(),
  artifactPath: inside.prefault('/artifact'),
  cpus: z.number().min(0.1).max(1024).optional(),
  memoryLimit: size.optional(),
  sharedMemory: size.optional(),
  gpus: z
    .union(
      [z.literal('all'), z.int().min(1).max(64), z.array(z.string().min(1).max(64)).min(1).max(64)],
      'all, a number of GPUs, or a list of their ids',
    )
    .optional(),
  capabilities: z.array(z.enum(capabilityNames)).prefault([]),
  readOnlyRoot: z.boolean().prefault(false),
  tmpfs: z.array(inside).max(20).prefault([]),
  init: z.boolean().prefault(true),
  registryAuthFile: path.optional(),
  /** From start to an address, without the time for the image. */
  startLimit: duration({ min: '1s', max: '2h' }).prefault('2m'),
  ...refusedOptions,
};

const dockerServing = z.strictObject(dockerFields);
export type DockerText = z.output<typeof dockerServing>;
