/** Takes the place of the SDK's ajv: structured results of tools are shown to a person, who needs no schema check. */
export class AjvJsonSchemaValidator {
  getValidator<T>(): (input: unknown) => { valid: true; data: T; errorMessage: undefined } {
    return (input) => ({ valid: true, data: input as T, errorMessage: undefined });
  }
}
