package guard_test

import "testing"

// everywhere are the properties that hold for both kinds of login and in each way of sending statements.
var everywhere = []struct {
	name string
	test func(t *testing.T, h *handle, s setup)
}{
	{"round trips of statements", roundTripsOfStatements},
	{"round trips of the system", roundTripsOfTheSystem},
	{"round trips of transactions", roundTripsOfTransactions},
	{"round trips of prepared statements", roundTripsOfPreparedStatements},
	{"round trips after idling", roundTripsAfterIdling},
	{"no round trip for a refusal", noRoundTripForARefusal},
	{"values decode as pgx's driver decodes them", valuesDecodeAlike},
	{"arguments encode as pgx's driver encodes them", argumentsEncodeAlike},
	{"column types are those of pgx's driver", columnTypesAlike},
	{"nobody is refused", nobodyIsRefused},
	{"another tenant is refused", anotherTenantIsRefused},
	{"bad tenants are refused", badTenantsAreRefused},
	{"commands are refused", commandsAreRefused},
	{"commands are let through", commandsAreLetThrough},
	{"cursors of one name", cursorsOfOneName},
	{"nothing is remembered", nothingIsRemembered},
	{"errors come before the data", errorsComeBeforeTheData},
	{"rows in a transaction", rowsInATransaction},
	{"rows of a connection", rowsOfAConnection},
	{"rows after a cancel", rowsAfterCancel},
	{"options of transactions", optionsOfTransactions},
	{"transactions commit and roll back", transactionsCommitAndRollBack},
	{"changed tables", changedTables},
	{"actor and reason arrive", actorAndReasonArrive},
	{"texts make the round trip", textsMakeTheRoundTrip},
	{"hostile texts", hostileTexts},
	{"refusals of the database", databaseRefusals},
	{"values stay out of errors", valuesStayOutOfErrors},
}

// TestEverywhere runs each property of everywhere in each mode. One connection serves all properties of a mode, one
// after the other, so whatever one of them leaves behind is met by the next.
func TestEverywhere(t *testing.T) {
	t.Parallel()
	for _, s := range modes() {
		t.Run(s.name(), func(t *testing.T) {
			t.Parallel()
			// Of its own: a tenant that is suspended in another mode would cost this one a round trip.
			d := newDatabase(t)
			d.exec(t, typesOfItsOwn)
			h := d.open(t, s)
			for _, property := range everywhere {
				t.Run(property.name, func(t *testing.T) { property.test(t, h.in(t), s) })
			}
		})
	}
}
