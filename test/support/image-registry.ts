import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { PrivateEngine } from './docker-engine';
import { temporaryDirectory } from './temporary';

interface Blob {
  readonly content: Buffer;
  readonly type: string;
}

/** A registry on loopback that offers one image, saved out of an engine: what `docker pull` asks for, and nothing else. */
export async function startRegistry(
  engine: PrivateEngine,
  image: string,
): Promise<{ reference: string; close(): Promise<void> }> {
  const directory = temporaryDirectory('registry');
  const tar = join(directory, 'image.tar');
  const unpacked = join(directory, 'image');
  mkdirSync(unpacked);
  await engine.save(image, tar);
  execFileSync('tar', ['-C', unpacked, '-xf', tar]);
  const [saved] = JSON.parse(readFileSync(join(unpacked, 'manifest.json'), 'utf8')) as [
    { Config: string; Layers: string[] },
  ];
  const blobs = new Map<string, Blob>();
  const offer = (content: Buffer, type: string): { mediaType: string; size: number; digest: string } => {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    blobs.set(digest, { content, type });
    return { mediaType: type, size: content.length, digest };
  };
  const docker = 'application/vnd.docker';
  const manifest = offer(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: `${docker}.distribution.manifest.v2+json`,
        config: offer(readFileSync(join(unpacked, saved.Config)), `${docker}.container.image.v1+json`),
        layers: saved.Layers.map((layer) =>
          offer(readFileSync(join(unpacked, layer)), `${docker}.image.rootfs.diff.tar.gzip`),
        ),
      }),
    ),
    `${docker}.distribution.manifest.v2+json`,
  );
  const server = createServer((request, response) => {
    const digest = /sha256:[0-9a-f]{64}/.exec(request.url ?? '')?.[0] ?? '';
    const blob = blobs.get(digest);
    if (request.url === '/v2/') return void response.writeHead(200).end('{}');
    if (blob === undefined)
      return void response
        .writeHead(404, { 'content-type': 'application/json' })
        .end(JSON.stringify({ errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] }));
    response.writeHead(200, {
      'content-type': blob.type,
      'content-length': blob.content.length,
      'docker-content-digest': digest,
    });
    response.end(request.method === 'HEAD' ? undefined : blob.content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    reference: `127.0.0.1:${port}/model@${manifest.digest}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
