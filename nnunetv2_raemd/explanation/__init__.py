"""Why a lesion was predicted: attention, slices, attribution; whether these say anything; lesion cards."""
