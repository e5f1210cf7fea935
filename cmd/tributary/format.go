package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tributary/internal/doctor"
	"tributary/migrations"
)

// checkFolder refuses a data folder that is not safe from others or of another format, and names the format of one in which nothing is yet.
func checkFolder(dir string) error {
	if err := doctor.CheckOwner(dir); err != nil {
		return err
	}
	file := filepath.Join(dir, "format")
	text, err := os.ReadFile(file)
	if err == nil {
		return migrations.FormatOf("the data folder "+dir, strings.TrimSpace(string(text)), true)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the format of the data folder: %w", err)
	}
	for _, name := range []string{"engines", "spool", "click-keys", "record-keys"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return migrations.FormatOf("the data folder "+dir, "", false)
		}
	}
	if err := writeSecret(file, []byte(strconv.Itoa(migrations.Format))); err != nil {
		return fmt.Errorf("naming the format of the data folder: %w", err)
	}
	return nil
}
