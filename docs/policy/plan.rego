# What a plan may not do here without somebody else's word. For OPA or Conftest:
#
#   rectify plan FILE --format json > plan.json
#   conftest test plan.json --policy docs/policy
package main

import rego.v1

deny contains message if {
	some problem in input.problems
	message := sprintf("%s cannot be planned: %s", [problem.step, problem.why])
}

deny contains message if {
	some task in input.tasks
	task.change
	task.reversibility.is == "irreversible"
	not acknowledged(task.id)
	message := sprintf("%s cannot be undone, and is not on the list of what may: %s", [task.id, task.reversibility.why])
}

deny contains message if {
	some task in input.tasks
	task.change
	not proven(task)
	message := sprintf("%s changes %s, and no gate proves that it worked", [task.id, task.change.resource])
}

warn contains message if {
	some id, review in input.reviews
	review.trial.now == "open"
	message := sprintf("the gate of %s passes before anything is done", [id])
}

warn contains message if {
	some debt in input.debts
	message := sprintf("%s (to be paid within %s)", [debt.what, debt.within])
}

# The irreversible changes that somebody has agreed to: a list of this repository's.
acknowledged(id) if id in {"scale-connector"}

# A change is proven by its own gate, or by that of a later task of the same step.
proven(task) if task.gate

proven(task) if {
	some later in input.tasks
	split(later.id, "/")[0] == split(task.id, "/")[0]
	later.gate
}

# Moving traffic to one revision is proven by what comes after it.
proven(task) if task.uses == "gcp.run.traffic"
