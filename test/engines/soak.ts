/** Many containers: too long for every change, and so only with `--soak`. What is left behind afterwards is looked for as after all checks. */
import type { Engine } from './check.ts'
import { containerd } from './containerd.ts'
import { podman } from './podman.ts'

const I = 'localhost/busybox:latest'

const soakPodman: Engine = {
  ...podman,
  name: 'soak-podman',
  title: 'Soak: Podman',
  checks: [
    {
      feature: '500 containers one after another',
      steps: [
        {
          run: `for i in $(seq 500); do x=$(podman run --rm localhost/busybox echo $i) || echo "$i: status $?"; test "$x" = $i || echo "$i: $x"; done`,
          out: '',
          timeoutS: 550
        }
      ]
    }
  ]
}

const soakContainerd: Engine = {
  ...containerd,
  name: 'soak-containerd',
  title: 'Soak: containerd',
  checks: [
    {
      feature: '200 containers at once',
      steps: [
        {
          run: `seq 200 | xargs -P 8 -I% ctr run -d --runc-binary $BIN --memory-limit 33554432 ${I} $N-% sh -c 'trap "exit 0" TERM; while :; do sleep 1; done'`,
          timeoutS: 300
        },
        { run: 'ctr tasks ls | grep -c RUNNING', out: '200' },
        {
          run: 'seq 200 | xargs -P 8 -I% ctr tasks exec --exec-id e $N-% sh -c "echo here; sleep 0.3" | grep -c here',
          out: '200',
          timeoutS: 200
        },
        { run: 'seq 200 | xargs -P 8 -I% ctr tasks pause $N-%; ctr tasks ls | grep -c PAUSED', out: '200', timeoutS: 100 },
        { run: 'seq 200 | xargs -P 8 -I% ctr tasks resume $N-%; ctr tasks ls | grep -c RUNNING', out: '200', timeoutS: 100 },
        { run: 'seq 200 | xargs -P 8 -I% ctr tasks kill -s TERM $N-%', timeoutS: 100 },
        { run: 'ctr tasks ls | grep -c STOPPED', out: '200', withinS: 60 },
        { run: 'seq 200 | xargs -P 8 -I% sh -c "ctr tasks delete $N-% && ctr containers delete $N-%"', timeoutS: 200 },
        { run: 'ctr tasks ls -q; ctr containers ls -q', out: '' }
      ]
    }
  ]
}

export const soak: readonly Engine[] = [soakPodman, soakContainerd]
