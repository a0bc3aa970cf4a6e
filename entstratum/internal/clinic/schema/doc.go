// Package schema holds the schemas of the clinic.
package schema
