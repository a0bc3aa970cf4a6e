// Package variant has the ways to keep tenants apart that are compared, each doing the same operations on the same
// rows.
//
//	variant.go    Variant, Kinds: what there is; Open
//	ops.go        the operations, by name
//	gorm.go       the operations through GORM
//	sql.go        the operations through plain database/sql
//	stratum.go    through Stratum: the plugin, and the guard alone
//	baseline.go   without anything: WHERE tenant_id = ? by hand
//	technique.go  the usual approaches, as techniques
package variant
