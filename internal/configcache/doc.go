// Package configcache keeps what the config of tenants comes to, and forgets it when it may have changed: by this
// process, by another one, or by somebody with psql.
//
//	cache.go       Cache: Get; for how long what is kept may be trusted
//	flight.go      one load a tenant, however many want it
//	invalidate.go  which snapshots a change concerns, and which loads came too late for it
//	check.go       Check: what has changed since a snapshot of the database
//	follow.go      Follower: listens, and where it cannot, looks
//	hub.go         Subscription: changes for whoever watches
//	errors.go      why a connection cannot listen
//
// Three rules carry the package. What is kept is handed out only while it is trusted, and that lasts for a bounded time
// from a look at the database: without news nothing is served for longer. A load that began before a change was heard
// of is not kept behind it. And trust returns only after a look that says what was missed, or else everything is
// dropped.
package configcache
