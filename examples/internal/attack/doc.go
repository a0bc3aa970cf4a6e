// Package attack tries to reach one tenant's rows as another, in whatever ways an example lists, and judges what each
// attempt has achieved. What knows no ORM is here: raw SQL, the tenant in a context, the tree. What an ORM can be led
// to do is in the example that uses it.
//
//	attack.go    Run: makes attempts, prints what becomes of each, counts at the end
//	attempt.go   Topic, Attempt: what is tried, and as whom
//	outcome.go   Outcome: what must become of an attempt, and whether it has
//	scene.go     Scene: who takes part; fingerprint.go looks at all tables after each attempt
//	apart.go     tenants with schemas and databases of their own, and attempts to get into these and out of them
//	context.go, rows.go, commands.go, session.go, tree.go   attempts that every example makes, by topic
package attack
