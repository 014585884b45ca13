// Decides cases with iam-simulate: `node others.mjs CASES.jsonl`, in a folder where
// `npm install @cloud-copilot/iam-simulate` was run. One line: seconds of the loop, and the answers.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const find = createRequire(join(process.cwd(), 'package.json'))
const { runSimulation } = await import(pathToFileURL(find.resolve('@cloud-copilot/iam-simulate')).href)
const cases = readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line))
const begun = process.hrtime.bigint()
const answers = []
for (const { request, policies } of cases) {
  const result = await runSimulation(
    {
      request: {
        principal: request.principal.arn,
        action: request.action,
        resource: { resource: request.resource, accountId: request.resourceAccount },
        contextVariables: request.context,
      },
      identityPolicies: policies.identity.map((policy, index) => ({ name: `p${index}`, policy })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  )
  answers.push(result.resultType === 'error' ? 'error' : result.overallResult)
}
const seconds = Number(process.hrtime.bigint() - begun) / 1e9
console.log(JSON.stringify({ seconds, answers }))
