/** Where tsrun intends to differ from runc: each difference that the differential test may find, and why it is right. */

/** A line that only one of the two has. */
export interface Difference {
  /** Section of the view, or `state`, or `status` for exit statuses. */
  readonly section: string
  readonly only: 'runc' | 'tsrun'
  readonly line: RegExp
  readonly because: string
  /** Only in the cases so named; in all without it. */
  readonly case?: string
  /** Only as this caller; as both without it. */
  readonly by?: 'root' | 'user'
}

const VERSION = 'runc 1.1 states its own version of the spec; tsrun states the newest that it knows'
const STDIO =
  "in the foreground without a terminal the container gets the caller's stdin, stdout and stderr themselves; runc copies through pipes"
const MASKED_DIRECTORY = 'masked directories get nosuid, nodev and noexec, and can hold no file; runc has added the same since'
const MASKED_FILE =
  "the /dev/null that masks a file is the host's, opened before anything of the image is: one in the container could be a symlink (CVE-2025-31133)"
const CGROUP_TMPFS = 'with the option ro, the tmpfs that holds the mounts of cgroup v1 is read-only, too, as runc 1.2 has it'
const CREATED = "JavaScript's clock counts milliseconds; RFC 3339 leaves the number of digits open"
const PROPAGATION = 'rootfsPropagation is applied to the root of the container after pivot_root, as runc 1.2 does; runc 1.1 loses it'
const CGROUP_SOURCE = 'the source of a mount of cgroup v1 is a name without a meaning'

const FLAGS_KEPT =
  'a read-only root, and a read-only bind mount, keep nosuid and nodev of the file system that they come from; runc takes them away'
const SLAVE_ROOT = 'a root that is a slave receives what the host mounts below it, as the word says; runc makes it private before'
const SOURCE_PRIVATE =
  'runc makes the mount that holds the root file system private, and so what is bound from the same one; here it is a slave, as what is bound from elsewhere'

const USERS_GROUPS = "an ordinary user's runc 1.1 leaves the container the caller's groups; here it has those of its configuration"

export const DIFFERENCES: readonly Difference[] = [
  { section: 'mountinfo', only: 'runc', line: /^\/ tmpfs \w+ root=\S+ ro \[\] /, because: FLAGS_KEPT },
  { section: 'mountinfo', only: 'tsrun', line: /^\/ tmpfs \w+ root=\S+ ro,nosuid,nodev \[\] /, because: FLAGS_KEPT },
  {
    section: 'mountinfo',
    case: 'masked and read-only paths',
    only: 'runc',
    line: /^\/tmp tmpfs \w+ root=\S+ ro \[\] /,
    because: FLAGS_KEPT
  },
  {
    section: 'mountinfo',
    case: 'masked and read-only paths',
    only: 'tsrun',
    line: /^\/tmp tmpfs \w+ root=\S+ ro,nosuid,nodev \[\] /,
    because: FLAGS_KEPT
  },
  { section: 'mountinfo', case: 'a slave root', only: 'runc', line: /^\/ .* \[\] /, because: SLAVE_ROOT },
  { section: 'mountinfo', case: 'a slave root', only: 'tsrun', line: /^\/ .* \[master\] /, because: SLAVE_ROOT },
  { section: 'mountinfo', case: 'bind mounts', only: 'runc', line: /^\/(bound|bound-ro|etc\/file) .* \[\] /, because: SOURCE_PRIVATE },
  {
    section: 'mountinfo',
    case: 'bind mounts',
    only: 'tsrun',
    line: /^\/(bound|bound-ro|etc\/file) .* \[master\] /,
    because: SOURCE_PRIVATE
  },
  { section: 'state', only: 'runc', line: /state ID: ociVersion 1\.(0\.2-dev|[12]\.\d)$/, because: VERSION },
  { section: 'state', only: 'tsrun', line: /state ID: ociVersion 1\.3\.\d$/, because: VERSION },
  { section: 'state', only: 'runc', line: /state ID: created 9999-99-99T99:99:99\.NZ$/, because: CREATED },
  { section: 'state', only: 'tsrun', line: /state ID: created 9999-99-99T99:99:99\.999Z$/, because: CREATED },
  {
    section: 'state',
    case: 'list',
    only: 'runc',
    line: /^1\. list -q: 0 $/,
    because: 'a --root that does not exist is an error for list, as in runc 1.5'
  },
  {
    section: 'state',
    case: 'list',
    only: 'tsrun',
    line: /^1\. list -q: 1 $/,
    because: 'a --root that does not exist is an error for list, as in runc 1.5'
  },
  { section: 'fds', only: 'runc', line: /^[012] pipe:/, because: STDIO },
  { section: 'fds', only: 'tsrun', line: /^(0 \/dev\/null|1 DIR\/calls\/N\.out|2 DIR\/calls\/N\.err)$/, because: STDIO },
  {
    section: 'mountinfo',
    only: 'runc',
    line: /^\/(proc\/\w+|sys\/firmware) tmpfs tmpfs root=\/ ro,relatime \[\] ro(,uid=\d+,gid=\d+)?(,inode64)?$/,
    because: MASKED_DIRECTORY
  },
  {
    section: 'mountinfo',
    only: 'tsrun',
    line: /^\/(proc\/\w+|sys\/firmware) tmpfs tmpfs root=\/ ro,nosuid,nodev,noexec,relatime \[\] ro,/,
    because: MASKED_DIRECTORY
  },
  { section: 'mountinfo', only: 'runc', line: /^\/proc\/\w+ tmpfs tmpfs root=\/null /, because: MASKED_FILE },
  {
    section: 'mountinfo',
    only: 'tsrun',
    line: /^\/proc\/\w+ (devtmpfs devtmpfs|udev devtmpfs|devtmpfs udev) root=\/null /,
    because: MASKED_FILE
  },
  {
    section: 'mountinfo',
    only: 'runc',
    line: /^\/sys\/fs\/cgroup tmpfs tmpfs root=\/ rw,nosuid,nodev,noexec,relatime \[\] rw,mode=755/,
    because: CGROUP_TMPFS
  },
  {
    section: 'mountinfo',
    only: 'tsrun',
    line: /^\/sys\/fs\/cgroup tmpfs tmpfs root=\/ ro,nosuid,nodev,noexec,relatime \[\] rw,mode=755/,
    because: CGROUP_TMPFS
  },
  { section: 'mountinfo', case: 'a writable, shared root', only: 'runc', line: /^\/ .* \[\] /, because: PROPAGATION },
  { section: 'mountinfo', case: 'a writable, shared root', only: 'tsrun', line: /^\/ .* \[shared\] /, because: PROPAGATION },
  {
    section: 'mountinfo',
    case: 'a cgroup namespace',
    only: 'runc',
    line: /^\/sys\/fs\/cgroup\/systemd cgroup systemd /,
    because: CGROUP_SOURCE
  },
  {
    section: 'mountinfo',
    case: 'a cgroup namespace',
    only: 'tsrun',
    line: /^\/sys\/fs\/cgroup\/systemd cgroup cgroup /,
    because: CGROUP_SOURCE
  },
  { section: 'status', by: 'user', only: 'runc', line: /^Groups: 0$/, because: USERS_GROUPS },
  { section: 'status', by: 'user', only: 'tsrun', line: /^Groups:$/, because: USERS_GROUPS }
]
