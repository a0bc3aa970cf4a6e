package dataset

import (
	"embed"
	"io/fs"
	"os"
)

// embedded are the CSV files in this folder, so that the programs run from anywhere.
//
//go:embed data/*.csv
var embedded embed.FS

// Files is where the CSV files are: in a folder, or built in where none is named.
func Files(folder string) fs.FS {
	if folder != "" {
		return os.DirFS(folder)
	}
	data, err := fs.Sub(embedded, "data")
	if err != nil {
		panic(err) // the folder's name is a constant
	}
	return data
}
