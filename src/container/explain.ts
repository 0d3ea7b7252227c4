/** `explain`: the program that a bundle would become, without running it. It needs no root, and changes nothing. */
import { cgroupLayout, locate } from '../cgroup/index.ts'
import type { Config } from '../config/types.ts'
import { compile } from '../plan/compile.ts'
import type { CgroupFacts, PlanOptions } from '../plan/facts.ts'
import { explainPlan, formatPlan } from '../plan/format.ts'
import type { Plan } from '../plan/step.ts'
import { bundleDirectory } from './bundle.ts'
import { readFacts } from './facts.ts'
import { loadBundle } from './load.ts'
import { isRootless } from './root.ts'
import type { ExplainOptions } from './types.ts'

const ID = 'explained'

/**
 * The plan as text, or with `json` as JSON: { arch, fds, steps }.
 * @throws TsrunError `bundle`, `config`, `unsupported`
 */
export async function explain(options: ExplainOptions): Promise<string> {
  const plan = await planOf(options)
  return options.json === true ? JSON.stringify({ arch: plan.arch, fds: plan.fds, steps: explainPlan(plan) }, null, 2) : formatPlan(plan)
}

/** Compiles the bundle for this host, or for the other architecture. */
export async function planOf(options: ExplainOptions): Promise<Plan> {
  const bundle = bundleDirectory(options.bundle)
  const { config } = loadBundle(options, bundle)
  const rootless = isRootless(options)
  const facts = await readFacts({ config, bundle, rootless, noPivot: options.noPivot === true, log: options.log })
  return compile(config, { ...facts, arch: options.arch ?? facts.arch, cgroup: cgroupOf(config, rootless) }, planOptions(config, options))
}

/** The cgroups as they would be; none is made. */
function cgroupOf(config: Config, rootless: boolean): CgroupFacts {
  const { mode, hierarchies } = cgroupLayout()
  const { paths } = locate(config.linux?.cgroupsPath, ID, { rootless })
  const joins = [...new Set(Object.values(paths))].map((directory) => {
    const controllers = Object.keys(paths).filter((controller) => controller !== '' && paths[controller] === directory)
    return { directory, controllers, file: controllers.length === 0 ? ('cgroup.procs' as const) : ('tasks' as const), optional: rootless }
  })
  return { mode, hierarchies, joins }
}

const planOptions = (config: Config, { noPivot, noNewKeyring }: ExplainOptions): PlanOptions => ({
  id: ID,
  release: 'socket',
  noPivot: noPivot === true,
  noNewKeyring: noNewKeyring === true,
  preserveFds: 0,
  consoleSocket: config.process?.terminal === true,
  extraEnv: []
})
