// Package shapes is temporary.
package shapes
