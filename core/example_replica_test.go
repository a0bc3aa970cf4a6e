package core_test

import (
	"context"
	"fmt"
	"log"

	"github.com/stratum-hq/stratum-go/core"
)

// A read that may come from a replica sees what its tenant has written here, and with a token what others have. Where
// there is no replica, as in this example, all reads go to the primary.
func ExampleWithReplica() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()
	acme, _ := exampleUsers(ctx, st)

	ctx = core.WithTenant(ctx, acme.ID)
	if _, err := st.DB().ExecContext(ctx, "INSERT INTO users (email) VALUES ('ann@acme.example')"); err != nil {
		log.Fatal(err) //nolint:gocritic // an example
	}
	token, err := st.WriteToken(ctx) // for a cookie, or a message to another process
	if err != nil {
		log.Fatal(err)
	}

	ctx = core.AfterWrite(core.WithReplica(ctx), token)
	var email string
	if err := st.DB().QueryRowContext(ctx, "SELECT email FROM users").Scan(&email); err != nil {
		log.Fatal(err)
	}
	fmt.Println(email)
	// Output: ann@acme.example
}
