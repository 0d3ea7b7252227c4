/** Buildah: containers to build images in. */
import type { Engine } from './check.ts'
import { PODMAN_MACHINE } from './podman.ts'

const B = 'localhost/busybox'

export const buildah: Engine = {
  name: 'buildah',
  title: 'Buildah',
  section: 'Podman',
  commands: ['buildah', 'podman'],
  prepare: `set -e
${PODMAN_MACHINE}
podman load -q -i /run/busybox.tar
podman run --rm ${B} true`,
  reset: 'buildah rm -a >/dev/null; podman rm -f -a -t 0 >/dev/null',
  checks: [
    {
      feature: 'run',
      steps: [
        `buildah from --name $N ${B}`,
        { run: 'buildah run --runtime $BIN $N echo built', out: 'built' },
        { run: 'buildah run --runtime $BIN $N sh -c "exit 5"', status: 5 },
        { run: 'echo typed | buildah run --runtime $BIN $N cat', out: 'typed' },
        'buildah run --runtime $BIN $N sh -c "echo kept >/kept"',
        { run: 'buildah run --runtime $BIN $N cat /kept', out: 'kept' }
      ]
    },
    {
      feature: 'run -t',
      steps: [`buildah from --name $N ${B}`, { run: 'tty buildah run --runtime $BIN -t $N say-tty', out: /\/dev\/pts\/0\b/ }]
    },
    {
      feature: 'run: user, working directory, volume, capabilities',
      steps: [
        `buildah from --name $N ${B}`,
        'mkdir -p /run/tmp/v; echo here >/run/tmp/v/f',
        {
          run: 'buildah run --runtime $BIN --user ada --workingdir /tmp -v /run/tmp/v:/v:ro $N sh -c "id -un; pwd; cat /v/f"',
          out: 'ada\n/tmp\nhere'
        },
        { run: 'buildah run --runtime $BIN --cap-drop CAP_CHOWN $N chown 1 /tmp', status: 1, err: /not permitted/ }
      ]
    },
    {
      feature: 'run: a command that is not there',
      steps: [
        `buildah from --name $N ${B}`,
        { run: 'buildah run --runtime $BIN $N nonexistent', status: 1, err: /executable file.*not found/ }
      ]
    },
    {
      feature: 'Dockerfile with RUN',
      steps: [
        `mkdir -p /run/tmp/build; cat >/run/tmp/build/Dockerfile <<'X'
FROM ${B} AS first
ARG WORD=none
ENV A=b
RUN echo $WORD $A >/made && mkdir -p /d/e
FROM ${B}
COPY --from=first /made /made
WORKDIR /work
USER ada
RUN id -un >/tmp/who && pwd >>/tmp/who
CMD ["cat", "/made", "/tmp/who"]
X
buildah bud --runtime $BIN --build-arg WORD=hello -t localhost/$N /run/tmp/build`,
        { run: 'podman run --rm localhost/$N', out: 'hello b\nada\n/work' },
        'buildah rmi localhost/$N'
      ]
    },
    {
      feature: 'Dockerfile: RUN that fails',
      steps: [
        `mkdir -p /run/tmp/bad; printf 'FROM ${B}\\nRUN exit 7\\n' >/run/tmp/bad/Dockerfile`,
        { run: 'buildah bud --runtime $BIN -t localhost/$N /run/tmp/bad', status: 7, err: /exit status 7/ }
      ]
    },
    {
      feature: 'podman build',
      steps: [
        `mkdir -p /run/tmp/pb; printf 'FROM ${B}\\nRUN --mount=type=tmpfs,target=/t touch /t/x && echo by podman >/made\\n' >/run/tmp/pb/Dockerfile`,
        'podman build --runtime $BIN -q -t localhost/$N /run/tmp/pb',
        { run: 'podman run --rm localhost/$N cat /made', out: 'by podman' },
        'podman rmi localhost/$N'
      ]
    },
    {
      feature: 'commit',
      steps: [
        `buildah from --name $N ${B}`,
        'buildah run --runtime $BIN $N touch /new',
        'buildah commit -q $N localhost/$N',
        { run: 'podman run --rm localhost/$N ls /new', out: '/new' },
        'podman rmi localhost/$N'
      ]
    }
  ]
}
