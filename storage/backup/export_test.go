package backup

// What becomes of every table.
var (
	Lasting = lasting
	Ended   = ended
)
