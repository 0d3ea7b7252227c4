/**
 * A client of the Kubernetes container runtime interface, for the checks.
 *
 *     cri CALL [JSON]              one call of runtime.v1.RuntimeService; prints the response as JSON, or the id or output that it consists of
 *     cri clean                    stops and removes all that there is
 *     cri stream CALL JSON [TEXT]  exec, attach and port-forward: sends TEXT, prints what comes; exit status of the command
 */
import { connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { calls } from './messages.ts'
import { decode, encode } from './protobuf.ts'

const SOCKET = process.env.CRI_SOCKET ?? '/run/containerd/containerd.sock'
const TIMEOUT_MS = 60_000

/** A message as gRPC sends it: not compressed, its length in four bytes. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** One call over HTTP/2. Rejects with the status' message. */
function call(name: string, request: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
  const [requestType, responseType] = calls[name] ?? []
  if (requestType === undefined || responseType === undefined) throw new Error(`no call is named "${name}"`)
  const session = connect('http://localhost', { createConnection: () => connectSocket(SOCKET) })
  return new Promise((resolve, reject) => {
    session.on('error', reject)
    const stream = session.request({
      ':method': 'POST',
      ':path': `/runtime.v1.RuntimeService/${name}`,
      'content-type': 'application/grpc',
      te: 'trailers'
    })
    const chunks: Buffer[] = []
    let status: Readonly<Record<string, unknown>> = {}
    const note = (headers: Readonly<Record<string, unknown>>): void => {
      if ('grpc-status' in headers) status = headers
    }
    stream.on('response', note)
    stream.on('trailers', note)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('end', () => {
      session.close()
      if (String(status['grpc-status']) === '0') resolve(decode(responseType, Buffer.concat(chunks).subarray(5)))
      else reject(new Error(decodeURIComponent(String(status['grpc-message'] ?? 'no status'))))
    })
    stream.setTimeout(TIMEOUT_MS, () => reject(new Error('no answer')))
    stream.end(framed(encode(requestType, request)))
  })
}

/** What is printed of a response. */
function show(response: Readonly<Record<string, unknown>>): void {
  if ('exit_code' in response || 'stdout' in response || 'stderr' in response) {
    process.stdout.write(String(response.stdout ?? ''))
    process.stderr.write(String(response.stderr ?? ''))
    process.exitCode = Number(response.exit_code ?? 0)
  } else if (typeof response.id === 'string') console.log(response.id)
  else console.log(JSON.stringify(response))
}

/** Channels of the WebSocket protocol v4.channel.k8s.io: the first byte of every message. */
const [STDIN, STDOUT, STDERR, ERROR] = [0, 1, 2, 3] as const

/** Exec and attach: sends `input`, prints the output, ends with the command's status. */
function exchange(url: string, input: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace('http', 'ws'), ['v4.channel.k8s.io'])
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      if (input !== '') socket.send(Buffer.concat([Buffer.from([STDIN]), Buffer.from(input)]))
    }
    socket.onmessage = ({ data }) => {
      const bytes = Buffer.from(data as ArrayBuffer)
      const content = bytes.subarray(1)
      if (bytes[0] === STDOUT) process.stdout.write(content)
      if (bytes[0] === STDERR) process.stderr.write(content)
      if (bytes[0] === ERROR) process.exitCode = exitCode(content.toString())
    }
    socket.onclose = () => resolve()
    socket.onerror = () => reject(new Error(`cannot connect to ${url}`))
  })
}

/** From the status object that ends a stream. */
function exitCode(text: string): number {
  const { status, details } = JSON.parse(text) as { status: string; details?: { causes?: { reason: string; message: string }[] } }
  if (status === 'Success') return 0
  return Number(details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message ?? 255)
}

/** Port forwarding: channel 0 is the data; the first message of each channel holds the port. */
function forward(url: string, input: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const port = /port=(\d+)/.exec(url) ? '' : `${url.includes('?') ? '&' : '?'}port=80`
    const socket = new WebSocket(url.replace('http', 'ws') + port, ['v4.channel.k8s.io'])
    socket.binaryType = 'arraybuffer'
    let first = true
    socket.onopen = () => socket.send(Buffer.concat([Buffer.from([0]), Buffer.from(input)]))
    socket.onmessage = ({ data }) => {
      const bytes = Buffer.from(data as ArrayBuffer)
      if (bytes[0] === 0 && !first) process.stdout.write(bytes.subarray(1))
      if (bytes[0] === 0) first = false
    }
    socket.onclose = () => resolve()
    socket.onerror = () => reject(new Error(`cannot connect to ${url}`))
    setTimeout(() => socket.close(), 2000)
  })
}

/** Containers go with their sandboxes. */
async function clean(): Promise<void> {
  const { items = [] } = (await call('ListPodSandbox', {})) as { items?: readonly { id: string }[] }
  for (const { id } of items) {
    await call('StopPodSandbox', { id })
    await call('RemovePodSandbox', { id })
  }
}

async function main([name = '', ...rest]: readonly string[]): Promise<void> {
  if (name === 'clean') return clean()
  if (name !== 'stream') return show(await call(name, JSON.parse(rest[0] ?? '{}') as Record<string, unknown>))
  const [which = '', request = '{}', input = ''] = rest
  const { url } = await call(which, JSON.parse(request) as Record<string, unknown>)
  await (which === 'PortForward' ? forward : exchange)(String(url), input)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
