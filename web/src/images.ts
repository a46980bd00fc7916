// Tiles of the spectrogram, fetched when they come into view and forgotten when many others came since.

const KEPT = 240;
const RETRY = 2000; // milliseconds until a tile that did not come is asked for again

export class Images {
  private readonly kept = new Map<string, HTMLImageElement>();

  /** `loaded` is called when an image that was asked for has come. */
  constructor(private readonly loaded: () => void) {}

  /** The image at an address, or null while it is on its way. */
  get(url: string): HTMLImageElement | null {
    let image = this.kept.get(url);
    if (image) {
      this.kept.delete(url); // the newest is last
    } else {
      image = new Image();
      image.decoding = "async";
      image.onload = this.loaded;
      image.onerror = () => setTimeout(() => this.again(url), RETRY);
      image.src = url;
    }
    this.kept.set(url, image);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value!);
    return ready(image);
  }

  /** The image at an address if it is there already. */
  peek(url: string): HTMLImageElement | null {
    const image = this.kept.get(url);
    return image ? ready(image) : null;
  }

  private again(url: string): void {
    this.kept.delete(url);
    this.loaded();
  }
}

function ready(image: HTMLImageElement): HTMLImageElement | null {
  return image.complete && image.naturalWidth > 0 ? image : null;
}
