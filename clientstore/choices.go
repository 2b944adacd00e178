package clientstore

import "slices"

// Choices returns the values that a member of a client may have, or each entry
// of one that is a list; nil where there are too many to list.
func Choices(member string) []string {
	switch member {
	case "type":
		return []string{string(OAuth1), string(OAuth2), string(OIDC)}
	case "status":
		return []string{string(Pending), string(Approved), string(Disapproved)}
	case "grant_types":
		return append(slices.Clone(grantTypes), GrantImplicit)
	case "token_endpoint_auth_method":
		return slices.Clone(authMethods)
	case "application_type":
		return []string{Web, Native}
	case "subject_type":
		return slices.Clone(SubjectTypes)
	case "client_assertion_audience":
		return slices.Clone(assertionAudiences)
	case "introspection_scope":
		return slices.Clone(introspections)
	case "access_token_format":
		return slices.Clone(tokenFormats)
	case "oauth1_signature_methods":
		return slices.Clone(SignatureMethods)
	default:
		return nil
	}
}
