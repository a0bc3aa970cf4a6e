package main

import "github.com/stratum-hq/stratum-go/examples/internal/desk"

func main() { program().Main() }

// program is the desk in GORM.
func program() desk.Program { return desk.Program{Name: "gorm-app", Open: open} }
