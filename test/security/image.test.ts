/** A hostile image: what it holds must not lead the runtime out of it. */
import { spawnSync } from 'node:child_process'
import {
  chownSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { diagnose } from '../../src/container/diagnose.ts'
import { DEFAULT_CONFIG } from '../config.ts'
import { needs, sandbox, tsrunPath, unable } from '../harness.ts'
import { attack, outside, prepare, upTo, volume } from './attack.ts'

const forDevices = needs({ containers: true, host: { CAP_MKNOD: 'device nodes' } })

/** Puts a symlink in the place of what the image has. */
function link(target: string, path: string): void {
  rmSync(path, { recursive: true, force: true })
  symlinkSync(target, path)
}

t.test('CVE-2019-18837, CVE-2015-3629: a mount point that is a symlink stays in the root', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const before = host.look()
  for (const target of [host.path, upTo(host.path), `/proc/1/root${host.path}`, `/proc/self/cwd`]) {
    attack(box, {
      script: 'echo mine > /volume/directory/new; echo mine > /volume/new',
      mounts: [
        { destination: '/volume', type: 'tmpfs', source: 'tmpfs' },
        { destination: '/volume/directory', type: 'tmpfs', source: 'tmpfs' }
      ],
      image: (rootfs) => link(target, join(rootfs, 'volume'))
    })
    t.same(host.look(), before, target)
  }
})

t.test('CVE-2024-45310: a missing mount point is made in the root, whatever leads to it', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const before = host.look()
  for (const path of ['a/b/c', 'a/../a/b', `${'../'.repeat(20)}a/b`]) {
    const { stdout, stderr } = attack(box, {
      script: `cat /volume/${path}`,
      mounts: [volume(join(host.path, 'file'), `/volume/${path}`)],
      image: (rootfs) => link(upTo(host.path), join(rootfs, 'volume'))
    })
    t.same(host.look(), before, path)
    if (path === 'a/b/c')
      t.match({ stdout, stderr }, { stdout: 'of the host\n', stderr: '' }, 'made in the root, where the symlink leads to')
  }
})

t.test('CVE-2023-27561, CVE-2023-28642, CVE-2019-19921: /proc and /sys that are symlinks are refused', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const before = host.look()
  for (const name of ['proc', 'sys']) {
    for (const target of ['tmp', '/tmp', upTo(host.path)]) {
      const { status, stderr } = attack(box, { image: (rootfs) => link(target, join(rootfs, name)) })
      t.equal(status, 1, `${name} → ${target}`)
      t.match(stderr, new RegExp(`cannot open the mount point "/${name}": too many levels of symbolic links`))
      t.same(host.look(), before)
    }
  }
})

t.test('CVE-2019-16884, CVE-2015-3631: nothing but a procfs on /proc, nothing in it', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const refused = [
    { destination: '/proc', type: 'tmpfs', source: 'tmpfs' },
    { destination: '/./proc//', type: 'tmpfs', source: 'tmpfs' },
    { destination: '/tmp/../proc', type: 'tmpfs', source: 'tmpfs' },
    volume(host.path, '/proc/self/attr'),
    volume(host.path, '/proc/sys/kernel'),
    volume(host.path, '/x/../proc/1')
  ]
  for (const mount of refused) {
    const { status, stderr } = attack(box, { mounts: [mount] })
    t.equal(status, 1, mount.destination)
    t.match(stderr, /cannot be mounted because it is (?:inside \/proc|not of type proc)/)
  }
  const { status, stderr } = attack(box, { without: ['/proc'], mounts: [volume(host.path, '/proc')] })
  t.equal(status, 1)
  t.match(
    stderr,
    /cannot mount ".*" on "\/proc": invalid argument \(EINVAL\): it cannot be mounted because it is not of type proc \[\/mounts\/\d\/source\]/
  )
  t.equal(
    attack(box, { without: ['/proc'], mounts: [volume('/proc', '/proc')], config: { linux: { maskedPaths: [], readonlyPaths: [] } } })
      .status,
    0
  )
})

t.test('CVE-2026-41579, CVE-2026-47766: a /dev that leads elsewhere is filled in the root', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  writeFileSync(join(host.path, 'ptmx'), 'of the host\n')
  const before = host.look()
  for (const target of [upTo(host.path), host.path, '../../../outside']) {
    for (const without of [[], ['/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']]) {
      attack(box, { without, image: (rootfs) => link(target, join(rootfs, 'dev')) })
      t.same(host.look(), before, `${target}, ${without.length === 0 ? 'a tmpfs' : 'of the image'}`)
    }
  }
})

const ofTheImage = ['/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']

t.test('CVE-2026-88265: a device that is a symlink is refused, its target keeps its owner', { skip: forDevices }, async (t) => {
  using box = sandbox(t)
  const host = outside(box)
  const before = host.look()
  for (const name of ['null', 'zero', 'mine']) {
    for (const target of [upTo(join(host.path, 'file')), '/proc/sysrq-trigger']) {
      const { stderr, status } = attack(box, {
        without: ofTheImage,
        config: { linux: { devices: [{ path: '/dev/mine', type: 'c', major: 1, minor: 3, fileMode: 0o666, uid: 1000, gid: 1000 }] } },
        image: (rootfs) => symlinkSync(target, join(rootfs, 'dev', name))
      })
      t.equal(status, 1)
      t.match(stderr, `use "/dev/${name}", which is there and is another device`)
      t.same(host.look(), before)
    }
  }
})

t.test('CVE-2025-31133: masks are the null device, whatever the image says that it is', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { status, stderr, stdout } = attack(box, {
    script: 'for f in /proc/timer_list /secret; do stat -c "%F %t:%T" $f; done; echo x > /secret; cat /secret',
    config: { linux: { maskedPaths: ['/proc/timer_list', '/secret'] } },
    image: (rootfs) => {
      writeFileSync(join(rootfs, 'secret'), 'secret\n')
      writeFileSync(join(rootfs, 'dev/null'), '')
    }
  })
  t.equal(status, 0, stderr)
  t.equal(stdout, 'character special file 1:3\n'.repeat(2))
})

t.test(
  'CVE-2025-52565, CVE-2026-88264: the console is a terminal of the container, not what /dev/console or /dev/pts leads to',
  { skip: unable },
  async (t) => {
    using box = sandbox(t)
    const host = outside(box)
    const before = host.look()
    const look = 'stat -L -c "%F %t" /dev/console /proc/self/fd/0'
    const usual = attack(box, { script: look, config: { process: { terminal: true } } })
    t.equal(usual.stdout.replaceAll('\r', ''), 'character special file 88\n'.repeat(2), usual.stderr)
    for (const target of [upTo(join(host.path, 'file')), '/proc/sysrq-trigger', '/dev/null']) {
      for (const without of [['/dev'], ofTheImage]) {
        const { stdout } = attack(box, {
          script: look,
          without,
          config: { process: { terminal: true, user: { uid: 1000, gid: 1000 } } },
          image: (rootfs) => {
            for (const name of ['console', ...(without.length > 1 ? ['ptmx'] : [])]) symlinkSync(target, join(rootfs, 'dev', name))
            if (without.length > 1) symlinkSync(upTo(host.path), join(rootfs, 'dev/pts'))
          }
        })
        t.notMatch(stdout, /regular file/)
        t.same(host.look(), before, target)
      }
    }
  }
)

t.test('CVE-2016-3697: a number is an id, whatever /etc/passwd calls so', { skip: needs({ containers: true, ids: 1001 }) }, async (t) => {
  using box = sandbox(t)
  const { stdout } = attack(box, {
    script: 'id -u; id -g; id -G; echo $HOME',
    config: { process: { user: { uid: 1000, gid: 1000 } } },
    image: (rootfs) => {
      writeFileSync(join(rootfs, 'etc/passwd'), '1000:x:0:0::/evil:/bin/sh\nx:x:01000:0::/evil:/bin/sh\nreal:x:1000:1000::/good:/bin/sh\n')
      writeFileSync(join(rootfs, 'etc/group'), '1000:x:0:1000\n')
    }
  })
  t.equal(stdout, '1000\n1000\n1000\n/good\n')
})

t.test('an /etc/passwd that is no file, has no end or holds bytes that end a string', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const home = (image: (passwd: string) => void) =>
    attack(box, {
      script: 'echo $HOME',
      image: (rootfs) => {
        rmSync(join(rootfs, 'etc/passwd'))
        image(join(rootfs, 'etc/passwd'))
      }
    })
  for (const target of ['/dev/zero', '/proc/kmsg', upTo('/etc/passwd'), 'passwd', '/proc/self/fd/0']) {
    t.match(
      home((passwd) => symlinkSync(target, passwd)),
      { status: 0, stdout: '/\n' },
      target
    )
  }
  t.match(
    home((passwd) => mkdirSync(passwd)),
    { status: 0, stdout: '/\n' }
  )
  t.match(
    home((passwd) => writeFileSync(passwd, 'root:x:0:0:root:/x\0EVIL=1:/bin/sh\n')),
    { status: 0, stdout: '/x\n' }
  )
})

t.test(
  'CVE-2019-5736: the container finds nothing of the host behind /proc/PID/exe, and nothing that it could write to',
  { skip: unable },
  async (t) => {
    using box = sandbox(t)
    const runtime = readFileSync(tsrunPath())
    const { rootfs, bundle, id } = prepare(box, {
      config: { process: { args: ['/evil'] } },
      // The interpreter is the program that executes the script: the runtime's.
      image: (rootfs) => writeFileSync(join(rootfs, 'evil'), '#!/proc/self/exe\n', { mode: 0o755 })
    })
    t.equal(box.tsrun('create', '--bundle', bundle, id).status, 0)
    const { pid } = JSON.parse(box.tsrun('state', id).stdout)
    const exe = `/proc/${pid}/exe`
    t.throws(() => writeFileSync(exe, 'evil', { flag: 'r+' }), /ETXTBSY|EPERM|EROFS/)
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
    t.notMatch(maps, /\/(?!memfd:tsrun \(deleted\))\S/, 'nothing of the host is mapped')
    t.not(statSync(exe).ino, statSync(tsrunPath()).ino)
    box.tsrun('start', id)
    box.tsrun('delete', '--force', id)

    const rewrite = 'for p in /proc/[0-9]*; do echo evil > $p/exe; done 2>/dev/null; exec 9<>/proc/self/exe'
    attack(box, { script: rewrite })
    attack(box, { script: '/evil', image: (rootfs) => copyFileSync(join(rootfs, 'bin/busybox'), join(rootfs, 'evil')) })
    t.ok(readFileSync(tsrunPath()).equals(runtime))
    t.ok(rootfs)
  }
)

t.test('CVE-2025-54867: a root file system that is a symlink is refused', { skip: unable }, async (t) => {
  using box = sandbox(t)
  const { status, stderr } = attack(box, {
    config: { root: { path: 'link' } },
    image: (rootfs) => symlinkSync('/', join(rootfs, '../link'))
  })
  t.equal(status, 1)
  t.match(stderr, /invalid rootfs.*it is a symlink/)
})

t.test('a command that is cut short, or lies about its parts, is told of and no bug', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-test-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const root = openSync(directory, 'r')
  t.teardown(() => closeSync(root))
  const elf = Buffer.alloc(4096, 0xff)
  elf.write('\x7fELF\x02\x01\x01', 'latin1')
  elf.writeUInt16LE(3, 16)
  elf.writeUInt16LE(process.arch === 'x64' ? 62 : 183, 18)
  for (const wide of [1, 2]) {
    elf[4] = wide
    for (let length = 0; length < 200; length++) {
      writeFileSync(join(directory, 'bad'), elf.subarray(0, length))
      if (diagnose(root, '/bad', DEFAULT_CONFIG) === undefined && length < 52) t.fail(`${length} bytes`)
    }
  }
})

t.test(
  'a device node in the image is as forbidden as one that is made',
  { skip: needs({ containers: true, controllers: ['devices'], commands: ['mknod'] }) },
  async (t) => {
    using box = sandbox(t)
    const { stdout } = attack(box, {
      script: 'for f in /kmsg /dev/null; do if (exec 3<$f) 2>/dev/null; then echo yes $f; else echo no $f; fi; done',
      image: (rootfs) => {
        spawnSync('mknod', ['-m', '666', join(rootfs, 'kmsg'), 'c', '1', '11'])
        chownSync(join(rootfs, 'kmsg'), 0, 0)
      }
    })
    t.equal(stdout, 'no /kmsg\nyes /dev/null\n')
  }
)
