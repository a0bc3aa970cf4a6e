// Package standin makes a database look as if it were the coordinator of a Citus cluster, for tests without one. It
// notes what it is asked to distribute, and refuses what Citus refuses as far as Stratum knows of it. Rows stay where
// they are, so it shows nothing about workers.
//
//	standin.go Install
//	standin.sql what is installed
package standin
