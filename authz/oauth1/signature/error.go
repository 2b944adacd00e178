package signature

import "strings"

// Code is a value of oauth_problem (OAuth Problem Reporting extension).
type Code string

// The problems that a request can have before anybody looks for its client.
const (
	ParameterAbsent         Code = "parameter_absent"
	ParameterRejected       Code = "parameter_rejected"
	VersionRejected         Code = "version_rejected"
	SignatureMethodRejected Code = "signature_method_rejected"
)

// Error is why a request cannot be judged.
type Error struct {
	Code Code
	// Parameters are the names at fault.
	Parameters []string
	// Client is the consumer key of the request, empty where it could not be
	// read. It proves nothing.
	Client string
	// Advice says to a developer what to do.
	Advice string
}

func (p *Error) Error() string {
	if len(p.Parameters) == 0 {
		return string(p.Code) + ": " + p.Advice
	}
	return string(p.Code) + " (" + strings.Join(p.Parameters, ", ") + "): " + p.Advice
}

func rejected(advice string, parameters ...string) *Error {
	return &Error{Code: ParameterRejected, Parameters: parameters, Advice: advice}
}
