package dashboard

import "tributary/internal/fault"

// mistakes are what is wrong with the fields of a form.
type mistakes struct{ problems []fault.Field }

// wrong is what is wrong with a field, or nil.
func (m *mistakes) wrong(name string) *fault.Field {
	for i := range m.problems {
		if m.problems[i].Name == name {
			return &m.problems[i]
		}
	}
	return nil
}
