package variant

// Op is something that an application does.
type Op string

// The operations.
const (
	// PointRead reads a row by its primary key.
	PointRead Op = "point-read"
	// List reads the 20 newest rows of a tenant.
	List Op = "list"
	// Insert adds a row.
	Insert Op = "insert"
	// Update changes a row's title.
	Update Op = "update"
	// Transaction reads a row, changes it and adds another.
	Transaction Op = "transaction"
	// ListOne and ListMany read 1 and 1,000 rows in one statement. Their difference is what a row costs.
	ListOne Op = "list-1"
	// ListMany is the other half of ListOne.
	ListMany Op = "list-1000"
)

const (
	listRows = 20
	manyRows = 1000
)

// Ops returns the operations whose time is measured.
func Ops() []Op { return []Op{PointRead, List, Insert, Update, Transaction} }
