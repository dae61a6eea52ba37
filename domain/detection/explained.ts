/** In the reasons of a cause that rests on another verdict: such a one explains no third. */
export const EXPLAINED = 'stands as well, and was laid to the environment';
